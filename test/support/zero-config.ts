import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A config as in its file: keys in snake_case, without defaults. */
export interface RawConfig {
  readonly application?: Readonly<Record<string, unknown>>;
  readonly service: {
    readonly listeners?: readonly Readonly<Record<string, unknown>>[];
    readonly runtime: Readonly<Record<string, unknown>>;
    readonly [section: string]: unknown;
  };
}

/**
 * Writes the config for a supervisor that writes nothing outside the directory and logs every fact as JSON. Nothing
 * restarts it after a kill. The given config overrides these settings. Old and new generations share their sockets by
 * default: most tests do not depend on steering, which has its own tests. The file is JSON, which YAML 1.2 includes.
 * Returns its path.
 */
export function writeConfig(folder: string, config: RawConfig): string {
  const file = join(folder, 'zero.yaml');
  const { logging, ...application } = config.application ?? {};
  const whole = {
    application: {
      logging: { format: 'json', level: 'debug', ...(logging as object | undefined) },
      restart_supervisor: 'never',
      runtime_directory: join(folder, 'run'),
      data_directory: join(folder, 'data'),
      ...application,
    },
    service: {
      handover: { mode: 'shared' },
      ...config.service,
      runtime: { name: 'test', ...config.service.runtime },
    },
  };
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, `${JSON.stringify(whole, null, 2)}\n`);
  return file;
}

/** The environment list of `runtime`, with the variables that a program needs without a shell. */
export function environmentList(
  variables: Readonly<Record<string, string>>,
): { key: string; value: string }[] {
  const path = process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin';
  return Object.entries({ PATH: path, ...variables }).map(([key, value]) => ({ key, value }));
}
