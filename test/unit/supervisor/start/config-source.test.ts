import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ConfigError, configFile } from '../../../../src/supervisor/start/config-source.ts';
import { temporaryFolder } from '../../../support/temporary.ts';

const service = (path: string): string => `service: { runtime: { path: ${path} } }\n`;

test('a file is read every time, and parsed again after a change', (t) => {
  const file = join(temporaryFolder(t), 'zero.yaml');
  const source = configFile(file);
  writeFileSync(file, service('/bin/true'));
  const first = source.load();
  assert.equal(source.load(), first);
  writeFileSync(file, service('/bin/false'));
  assert.equal(source.load().service.runtime.path, '/bin/false');
  writeFileSync(file, service('/bin/true'));
  assert.deepEqual(source.load(), first);
});

test('errors in a file are reported every time', (t) => {
  const file = join(temporaryFolder(t), 'zero.yaml');
  const source = configFile(file);
  assert.throws(() => source.load(), ConfigError);
  writeFileSync(file, 'service: {}\n');
  for (const _ of [1, 2]) assert.throws(() => source.load(), /missing key "runtime"/);
});
