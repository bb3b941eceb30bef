import type { Sink } from '../../writing/sink.ts';
import { targetOf, type WriteTarget } from '../../writing/target.ts';

const failure = (code: string): NodeJS.ErrnoException => Object.assign(new Error(code), { code });

/**
 * The target of the log for a descriptor that the services' output uses too. The log uses the same sink, because the
 * lines of two sinks mix in a full pipe. At the end of the process the log writes directly, because the sink is no
 * longer emptied.
 */
export function logTarget(sink: Sink, fd: number): WriteTarget {
  let direct: WriteTarget | null = null;
  const target: WriteTarget = {
    write(bytes, done) {
      if (sink.offer(bytes, target)) done(null, bytes.length);
      else done(failure(sink.closed ? 'EPIPE' : 'EAGAIN'), 0);
    },
    writeNow(bytes) {
      direct ??= targetOf(fd, 'main');
      return direct.writeNow?.(bytes) ?? 0;
    },
    close() {
      direct?.close();
      direct = null;
    },
  };
  return target;
}
