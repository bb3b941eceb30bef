import * as z from 'zod/mini';
import { descriptions, notationOf } from '../config/schema/key.ts';
import { fileSchema } from '../config/schema.ts';

/**
 * `zero schema`: prints the config's JSON Schema, for editors.
 * @returns the exit code, 0
 */
export function schema(write: (text: string) => void = (text) => process.stdout.write(text)): number {
  write(`${JSON.stringify(configSchema(), null, 2)}\n`);
  return 0;
}

/** The JSON Schema (2020-12) of the config file, for editors. Built on demand. */
export function configSchema(): object {
  return z.toJSONSchema(fileSchema, {
    io: 'input',
    metadata: descriptions,
    override: ({ zodSchema, jsonSchema }) => {
      const json = notationOf(zodSchema)?.json;
      if (json === undefined) return;
      if (!Array.isArray(json)) {
        delete jsonSchema.anyOf;
        Object.assign(jsonSchema, json);
      } else Object.assign(jsonSchema, { type: json.length === 1 ? json[0] : json });
    },
  });
}
