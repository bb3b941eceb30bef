import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { check } from '../../../src/cli/check.ts';
import { schema } from '../../../src/cli/schema.ts';
import { findCommand } from '../../../src/common/find-command.ts';
import { formatProblem, loadConfig, locateConfig } from '../../../src/config/index.ts';

let directory = '';
before(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'zero-config-'));
});
after(() => fs.rmSync(directory, { recursive: true }));

function write(name: string, content: string | Buffer): string {
  const file = path.join(directory, name);
  fs.writeFileSync(file, content);
  return file;
}

function problems(file: string): string[] {
  const loaded = loadConfig(file);
  return 'problems' in loaded
    ? loaded.problems.map((problem) => formatProblem(problem).replace(`${directory}/`, ''))
    : [];
}

function output(run: (write: (text: string) => void) => number): { code: number; text: string } {
  let text = '';
  const code = run((part) => {
    text += part;
  });
  return { code, text };
}

test('the config file is found by option, variable and default name', () => {
  assert.equal(locateConfig('a.yaml', { ZERO_CONFIG: 'b.yaml' }), 'a.yaml');
  assert.equal(locateConfig(undefined, { ZERO_CONFIG: 'b.yaml' }), 'b.yaml');
  assert.equal(locateConfig(undefined, { ZERO_CONFIG: '' }), 'zero.yaml');
});

test('each unreadable file is one problem', () => {
  assert.deepEqual(problems(path.join(directory, 'none.yaml')), [
    'none.yaml: cannot read the config (ENOENT): the file does not exist. Pass another one with --config',
  ]);
  fs.mkdirSync(path.join(directory, 'folder'));
  assert.deepEqual(problems(path.join(directory, 'folder')), [
    'folder: cannot read the config (EISDIR): it is a directory. Pass the path of a file',
  ]);
  assert.deepEqual(problems(path.join(directory, 'folder\n/none')), [
    'folder\\n/none: cannot read the config (ENOENT): the file does not exist. Pass another one with --config',
  ]);
});

test('files that are not text are refused', () => {
  assert.deepEqual(problems(write('latin1.yaml', Buffer.from('service: \xe9\n', 'latin1'))), [
    'latin1.yaml:1:1: is not UTF-8 text',
  ]);
  assert.deepEqual(problems(write('utf16.yaml', Buffer.from('\ufeffservice: {}\n', 'utf16le'))), [
    'utf16.yaml:1:1: is not UTF-8 text',
  ]);
  assert.deepEqual(problems(write('huge.yaml', Buffer.alloc(2 * 1024 * 1024, '\u00e9'))), [
    'huge.yaml:1:1: is larger than 1 MiB: it is not a config of zero',
  ]);
  assert.deepEqual(problems('/dev/zero'), [
    '/dev/zero:1:1: is larger than 1 MiB: it is not a config of zero',
  ]);
});

test('a byte order mark is accepted', () => {
  assert.deepEqual(problems(write('bom.yaml', '\ufeffservice: { runtime: { path: /x } }\n')), []);
});

test('zero check prints ok, or every problem', () => {
  const good = write(
    'good.yaml',
    'service: { runtime: { path: /x, environment: [{ key: A, value: s3cret }] } }\n',
  );
  assert.deepEqual(
    output((out) => check(good, false, out)),
    { code: 0, text: `${good}: ok\n` },
  );
  const bad = write('bad.yaml', 'service:\n  runtime: {}\n  foo: 1\n');
  assert.deepEqual(
    output((out) => check(bad, false, out)),
    {
      code: 1,
      text: `${bad}:2:12: service.runtime: missing key "path"\n${bad}:3:3: unknown key "foo"\n`,
    },
  );
  assert.equal(output((out) => check(bad, true, out)).code, 1);
});

test('zero check --print shows the directories as well', () => {
  const good = write(
    'print.yaml',
    'service: { runtime: { path: /x, environment: [{ key: A, value: s3cret }] } }\n',
  );
  const { code, text } = output((out) => check(good, true, out));
  assert.equal(code, 0);
  assert.match(text, /runtime_directory: .*\/x-[0-9a-f]{8}\n/);
  assert.match(text, /data_directory: .*\/x-[0-9a-f]{8}\n/);
  assert.doesNotMatch(text, /s3cret/);
  assert.deepEqual(problems(write('printed.yaml', text)), []);
});

test('zero schema prints JSON', () => {
  const { code, text } = output(schema);
  assert.equal(code, 0);
  assert.equal(JSON.parse(text).$schema, 'https://json-schema.org/draft/2020-12/schema');
});

test('commands are looked up like execvp(3) does', () => {
  const folder = path.join(directory, 'bin');
  fs.mkdirSync(path.join(folder, 'a-folder'), { recursive: true });
  fs.writeFileSync(path.join(folder, 'tool'), '', { mode: 0o755 });
  fs.writeFileSync(path.join(folder, 'text'), '', { mode: 0o644 });
  assert.equal(findCommand('tool', `/nowhere:${folder}`), path.join(folder, 'tool'));
  assert.equal(findCommand('text', folder), null);
  assert.equal(findCommand('a-folder', folder), null);
});
