import { configSchema } from '../config/index.ts';

/**
 * `zero schema`: the config's JSON Schema, for editors.
 * @returns the exit code, 0
 */
export function schema(write: (text: string) => void = (text) => process.stdout.write(text)): number {
  write(`${JSON.stringify(configSchema(), null, 2)}\n`);
  return 0;
}
