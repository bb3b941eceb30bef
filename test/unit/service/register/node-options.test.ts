import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  importToken,
  requireToken,
  withoutToken,
  withToken,
} from '../../../../src/service/register/node-options.ts';

const TOKEN = importToken('file:///opt/zero/register.js');

describe('NODE_OPTIONS', () => {
  it('gets one additional token at its end, once', () => {
    assert.equal(withToken(undefined, TOKEN), '--import=file:///opt/zero/register.js');
    assert.equal(withToken('', TOKEN), TOKEN);
    assert.equal(withToken('--max-old-space-size=100', TOKEN), `--max-old-space-size=100 ${TOKEN}`);
    assert.equal(withToken(`${TOKEN} --no-warnings`, TOKEN), `--no-warnings ${TOKEN}`);
  });

  it('loses exactly that token', () => {
    assert.equal(withoutToken(TOKEN, TOKEN), '');
    assert.equal(withoutToken(`--no-warnings ${TOKEN}`, TOKEN), '--no-warnings');
    assert.equal(withoutToken(`${TOKEN} --no-warnings`, TOKEN), '--no-warnings');
    assert.equal(withoutToken(`-r "a  b" ${TOKEN} --no-warnings`, TOKEN), '-r "a  b" --no-warnings');
    for (const others of ['', '-r  x', `${TOKEN}.other`, `x${TOKEN}`, '--import=file:///other.js'])
      assert.equal(withoutToken(others, TOKEN), others);
  });

  it('contains the path of a module as Node parses it', () => {
    assert.equal(requireToken('/opt/zero/register.cjs'), '--require=/opt/zero/register.cjs');
    for (const path of ['/a b/register.cjs', '/a  "b" c/register.cjs', '/a\\b/register.cjs']) {
      const token = requireToken(path);
      assert.equal(withoutToken(`--no-warnings ${token} -r x`, token), '--no-warnings -r x');
    }
    assert.equal(requireToken('/a "b/\\c.cjs'), '--require="/a \\"b/\\\\c.cjs"');
  });

  it('is unchanged after the token is added and removed', () => {
    for (const options of ['', '--no-warnings', '-r "a b"  --title=x'])
      assert.equal(withoutToken(withToken(options, TOKEN), TOKEN), options);
  });
});
