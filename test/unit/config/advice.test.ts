import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { adviceOn, formatProblem, parseConfig } from '../../../src/config/index.ts';
import { problemsOf, runtime, service } from './fixture.ts';

/** The advice on a valid config, as `line:column: message`. */
function adviceFor(text: string): string[] {
  const parsed = parseConfig(text, 'f');
  if ('problems' in parsed) assert.fail(parsed.problems.map(formatProblem).join('\n'));
  return adviceOn(parsed.config).map((finding) => formatProblem(parsed.locate(finding)).replace(/^f:/, ''));
}

const listeners = (...each: string[]) => service('listeners:', ...each.map((one) => `  - ${one}`));

describe('advice', () => {
  it('is empty for a config without contradictions', () => {
    assert.deepEqual(adviceFor(runtime('args: ["${generation}", "${worker}", "${HOME}", "$x", "${}"]')), []);
    assert.deepEqual(adviceFor(listeners('{ name: a, address: ":80" }', '{ name: b, address: ":81" }')), []);
  });

  it('finds placeholders without a value', () => {
    const text = `service:
  listeners: [{ name: http, address: ":80" }]
  runtime:
    path: /x
    args: ["\${fd.http}", "--fd=\${fd.htpp}", "\${fd.nope}", "\${fd.}", "\${generaton}"]
`;
    assert.deepEqual(adviceFor(text), [
      '5:26: service.runtime.args[1]: "${fd.htpp}" is passed on unchanged: no listener has the name "htpp": did you mean "${fd.http}"?',
      '5:45: service.runtime.args[2]: "${fd.nope}" is passed on unchanged: no listener has the name "nope"',
      '5:59: service.runtime.args[3]: "${fd.}" is passed on unchanged: no listener has the name ""',
      '5:69: service.runtime.args[4]: "${generaton}" is passed on unchanged: did you mean "${generation}"?',
    ]);
  });

  it('finds a readiness.timeout that reload_uptime uses up', () => {
    assert.deepEqual(
      adviceFor(service('options: { reload_uptime: 60s }')),
      [
        '1:1: service.readiness.timeout: 1m is not longer than options.reload_uptime, 1m: no new generation is ready in time',
      ].map((line) => line.replace(/^1:1/, '2:3')),
    );
    assert.deepEqual(adviceFor(service('options: { reload_uptime: 59s }')), []);
  });

  it('finds a `verify` that is slower than the canary', () => {
    const watched = (canary: string, verify: string) =>
      `service:
  listeners: [{ name: http, address: ":80" }]
  runtime: { path: /x }
  handover: { ${canary}, verify: { http: { listener: http, path: / }${verify} } }
`;
    const messages = (canary: string, verify = '') =>
      adviceFor(watched(canary, verify)).map((line) =>
        line.replace(/^\S+ service\.handover\.verify\.interval: /, ''),
      );
    assert.deepEqual(messages('soak: 1m'), []);
    assert.deepEqual(messages('canary: { steps: [{ percent: 5, for: 3s }, { percent: 50, for: 9s }] }'), [
      '5s is longer than the shortest step of canary and soak, 3s: each step lasts until a check has passed in it',
    ]);
    assert.deepEqual(messages('soak: 8s'), [
      '3 failed checks in a row take 10s or more, and canary and soak last 8s: the last step lasts longer while a check fails',
    ]);
    assert.deepEqual(messages('soak: 8s', ', interval: 4s'), []);
  });
});

describe('listeners with overlapping addresses', () => {
  const overlap = (one: string, other: string) =>
    problemsOf(listeners(`{ name: a, address: "${one}" }`, `{ name: b, address: "${other}" }`));

  it('are refused', () => {
    for (const [one, other] of [
      [':80', '127.0.0.1:80'],
      ['10.0.0.1:80', 'tcp4::80'],
      [':80', '[::1]:80'],
      [':80', 'tcp4::80'],
      [':80', 'example.org:80'],
      ['udp::53', 'udp:127.0.0.1:53'],
    ] as const) {
      const [problem = '', ...more] = overlap(one, other);
      assert.match(
        problem,
        /^5:27: service\.listeners\[1\]\.address: ".+" overlaps with ".+" at service\.listeners\[0\]: both would have the same address and port$/,
        `${one} ${other}`,
      );
      assert.deepEqual(more, []);
    }
  });

  it('are distinguished from listeners that may share a port', () => {
    for (const [one, other] of [
      [':80', ':81'],
      ['127.0.0.1:80', '127.0.0.2:80'],
      ['127.0.0.1:80', '[::1]:80'],
      ['tcp4::80', 'tcp6::80'],
      ['tcp4::80', '[::1]:80'],
      [':53', 'udp::53'],
      [':0', '127.0.0.1:0'],
    ] as const)
      assert.deepEqual(overlap(one, other), [], `${one} ${other}`);
    assert.deepEqual(
      problemsOf(
        listeners(
          '{ name: a, address: ":80", options: { bind_to_device: eth0 } }',
          '{ name: b, address: "10.0.0.1:80", options: { bind_to_device: eth1 } }',
          '{ name: c, address: ":81", options: { ipv6_only: true } }',
          '{ name: d, address: "10.0.0.1:81" }',
        ),
      ),
      [],
    );
  });
});
