import { type Writer, writerFor } from '../../telemetry/writer.ts';
import type { Sink } from '../../workers/output/sink.ts';

const failure = (code: string): NodeJS.ErrnoException => Object.assign(new Error(code), { code });

/**
 * How the log gets to a descriptor that the services' output goes to: through the same sink, because lines of two who write to one pipe
 * get into each other when it is full. At the end of the process, when nothing would empty the sink any more, directly.
 */
export function logWriter(sink: Sink, fd: number): Writer {
  let direct: Writer | null = null;
  const writer: Writer = {
    write(chunk, done) {
      if (sink.offer(chunk, writer)) done({ bytes: chunk.length });
      else done({ error: failure(sink.closed ? 'EPIPE' : 'EAGAIN') });
    },
    writeNow(chunk) {
      direct ??= writerFor(fd);
      return direct.writeNow(chunk);
    },
    close() {
      direct?.close();
      direct = null;
    },
  };
  return writer;
}
