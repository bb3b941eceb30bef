import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { pathToFileURL } from 'node:url';
import { configSchema } from '../../../src/cli/schema.ts';
import { describeKeys } from '../../../src/config/describe.ts';
import { configOf } from './fixture.ts';

test('every key has a description', () => {
  const keys = describeKeys();
  assert.deepEqual(
    keys
      .filter(({ description, path: key }) => description === '' && !key.includes('.limits.'))
      .map((key) => key.path),
    [],
  );
  const byPath = new Map(keys.map((key) => [key.path, key]));
  assert.deepEqual(byPath.get('service.options.reload_uptime'), {
    path: 'service.options.reload_uptime',
    type: 'duration',
    required: false,
    default: '1s',
    description: 'A new generation must have stayed up this long before it takes over.',
  });
  assert.equal(byPath.get('service.runtime.path')?.required, true);
  assert.equal(byPath.get('service.listeners[].address')?.type, 'address');
});

test('docs/reference/config.md is up to date', async () => {
  const { configReference }: { configReference: (keys: unknown) => string } = await import(
    pathToFileURL(path.resolve('scripts/config-reference.js')).href
  );
  const written = fs.readFileSync('docs/reference/config.md', 'utf8');
  assert.equal(
    written,
    configReference(describeKeys()),
    'run: npm run compile && node scripts/config-reference.js',
  );
});

test('config.example.yaml is valid', () => {
  const config = configOf(fs.readFileSync('config.example.yaml', 'utf8'));
  assert.equal(config.service.listeners[0]?.address.text, 'tcp:localhost:8080');
  assert.equal(config.service.runtime.inherit_environment, true);
});

test('the JSON Schema describes the file, not the parsed config', () => {
  const schema = configSchema();
  const text = JSON.stringify(schema);
  assert.match(
    text,
    /"reload_uptime":\{"description":"[^"]+","default":"1s","type":\["string","integer"\]\}/,
  );
  assert.match(
    text,
    /"args":\{"description":"[^"]+","default":\[\],"type":"array","items":\{"type":\["string","number","boolean"\]\}\}/,
  );
  assert.match(text, /"additionalProperties":false/);
});
