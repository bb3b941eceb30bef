import type { Fact } from '../../lifecycle/facts.ts';
import { OutputFiles } from '../../workers/output/output-files.ts';
import { Sink } from '../../writing/sink.ts';
import { isSameTarget } from '../../writing/target.ts';
import { outputFileFailure } from './output-directory.ts';

const STDOUT = 1;
const STDERR = 2;

/** The output targets of zero and its service: standard output, standard error, and the files of `service.output`. */
export class Outlets {
  readonly stdout: Sink;
  readonly stderr: Sink;
  readonly files: OutputFiles;

  constructor(instance: string, report: (fact: Fact) => void) {
    this.stdout = openSink(STDOUT, 'stdout', report);
    // Two writers to one pipe would mix their lines.
    this.stderr = isSameTarget(STDOUT, STDERR) ? this.stdout : openSink(STDERR, 'stderr', report);
    this.files = new OutputFiles({
      instance,
      onDropped: (lines, bytes) => report({ event: 'output_dropped', stream: 'file', lines, bytes }),
      onFailed: (step, path, code) => report(outputFileFailure(step, path, code)),
    });
  }

  /** Resolves when all output is written, or after this many milliseconds. */
  async flush(ms: number): Promise<void> {
    await Promise.all([this.stdout.flush(ms), this.stderr.flush(ms), this.files.flush(ms)]);
  }

  /** Called when the service has ended. The last messages of zero itself go to standard error. */
  async endService(ms: number): Promise<void> {
    await Promise.all([this.stdout.flush(ms), this.stderr.flush(ms), this.files.end(ms)]);
    if (this.stdout !== this.stderr) this.stdout.close();
  }

  /** Closes the remaining targets. */
  async end(ms: number): Promise<void> {
    await this.stderr.flush(ms);
    this.stderr.close();
  }
}

function openSink(fd: number, stream: 'stdout' | 'stderr', report: (fact: Fact) => void): Sink {
  return new Sink({
    fd,
    onDropped: (lines, bytes) => report({ event: 'output_dropped', stream, lines, bytes }),
    onFailed: (code, final) => {
      const then = final ? 'no reader. Further output of the service is dropped' : 'trying again';
      const step = `write ${stream}`;
      report({ event: 'error', step, message: `${step}: ${code}: ${then}` });
    },
  });
}
