import { formatProblem, loadConfig, locateConfig, printConfig } from '../config/index.ts';
import { InstanceError, instanceOf } from '../supervisor/instance.ts';

/**
 * `zero check`: reads the config and says everything that is wrong with it, one `file:line:column: message` a line.
 * @param config the file; undefined for the one that `zero` itself would take
 * @param print show the config with every default filled in instead of a bare ok
 * @returns the exit code: 0, or 1 when there is a problem
 */
export function check(
  config: string | undefined,
  print: boolean,
  write: (text: string) => void = (text) => process.stdout.write(text),
): number {
  const file = locateConfig(config);
  const loaded = loadConfig(file);
  if ('problems' in loaded) {
    for (const problem of loaded.problems) write(`${formatProblem(problem)}\n`);
    return 1;
  }
  if (!print) {
    write(`${file}: ok\n`);
    return 0;
  }
  const { application, service } = loaded.config;
  try {
    const { runtimeDirectory, dataDirectory } = instanceOf(loaded.config);
    const directories = { runtime_directory: runtimeDirectory, data_directory: dataDirectory };
    write(printConfig({ application: { ...application, ...directories }, service }));
    return 0;
  } catch (error) {
    if (!(error instanceof InstanceError)) throw error;
    write(`${file}: ${error.message}\n`);
    return 1;
  }
}
