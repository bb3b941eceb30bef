import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_LABEL, parseLabel } from '../../../src/control/label.ts';
import { request, serve } from './fixture.ts';

for (const label of [
  '1',
  'v1.2.3',
  '2024-01-02',
  'a b',
  'Übergrößenträger',
  '発売',
  '🚀',
  '"\'\\{}=,',
  'x'.repeat(MAX_LABEL),
]) {
  test(`a label may be ${JSON.stringify(label)}`, () => assert.deepEqual(parseLabel(label), { label }));
}

for (const text of [
  '',
  ' ',
  '\t',
  'a\nb',
  'a\rb',
  '\0',
  '\u007f',
  '\u0085',
  '\u2028',
  '\u200b',
  '\ud800',
  '\ufeffv1',
  'x'.repeat(MAX_LABEL + 1),
]) {
  test(`a label may not be ${JSON.stringify(text)}`, () => assert.ok('problem' in parseLabel(text)));
}

test('a supervisor refuses the labels that a command refuses', async (t) => {
  const { path, control } = await serve(t);
  for (const label of ['', 'a\nb', 'x'.repeat(MAX_LABEL + 1), 7, null]) {
    const { status, body } = await request(t, path, 'POST /v1/reload', JSON.stringify({ label }));
    const { field } = (body as { error: { field: string } }).error;
    assert.deepEqual([status, field], [400, 'label']);
  }
  assert.deepEqual(control.reloads, []);
});
