import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Overview } from '../../../../src/cli/instances/overview.ts';
import { columnsOf } from '../../../../src/cli/render/columns.ts';
import { painter } from '../../../../src/cli/render/style.ts';
import { renderWatchedList } from '../../../../src/cli/render/watched-list.ts';

const PLAIN: Overview = {
  name: 'shop',
  uid: 1000,
  user: 'deploy',
  state: 'up',
  problem: null,
  handover: null,
  canary: null,
  pid: 7,
  zero: '1.0.0',
  generation: 3,
  release: null,
  listeners: [{ name: 'http', address: '127.0.0.1:8080' }],
  queue: 0,
  workers: { up: 2, total: 2 },
  restarts: 1,
  cpu_percent: 3.21,
  memory_bytes: 190_000_000,
  uptime_ms: 61_000,
  last_event: { event: 'worker_ready', level: 'info', message: 'worker ready', ms_ago: 3400 },
  config_file: null,
  runtime_directory: '/run/zero/shop',
  control_socket: '/run/zero/shop/control.sock',
};

const UNKNOWN = {
  generation: null,
  queue: null,
  workers: null,
  restarts: null,
  cpu_percent: null,
  memory_bytes: null,
  uptime_ms: null,
  last_event: null,
  listeners: [],
} as const;

function drawn(instances: readonly Partial<Overview>[], width = 80, uid = 1000, rows = 24): string[] {
  const document = { version: 1, uid, instances: instances.map((one) => ({ ...PLAIN, ...one })) };
  return renderWatchedList(document, { paint: painter(false), width, rows });
}

describe('zero list --watch', () => {
  it("fits into 80 columns, with the canary's share, a queue and the last event", () => {
    const canary = { generation: 4, percent: 12.5 };
    const event = {
      event: 'handover_step',
      level: 'info',
      message: 'handover: canary, 12.5 %',
      ms_ago: 61_000,
    };
    const problem = 'has not answered within 2 s';
    assert.deepEqual(
      drawn([
        { handover: 'canary', canary, queue: 17, last_event: event },
        { name: 'tiles' },
        { ...UNKNOWN, name: 'halted', state: 'not_answering', problem },
      ]),
      [
        'NAME    STATE          GEN  SHARE        QUEUE  CPU    MEMORY   LAST EVENT',
        'shop    up, canary     3    12.5 % to 4  17     3.2 %  181 MiB  1m1s handover: c',
        'tiles   up             3    -            0      3.2 %  181 MiB  3s worker ready',
        'halted  not answering  -    -            -      -      -        has not answered',
      ],
    );
  });

  it('has more columns on a wide terminal, and drops the least important ones first', () => {
    const heads = (width: number) => drawn([{}], width)[0]?.split(/ {2,}/);
    const all = ['NAME', 'STATE', 'GEN', 'SHARE', 'WORKERS', 'RESTARTS', 'QUEUE', 'CPU', 'MEMORY', 'UPTIME'];
    assert.deepEqual(heads(160), [...all, 'LISTENERS', 'LAST EVENT']);
    assert.deepEqual(heads(110), [...all, 'LAST EVENT']);
    assert.deepEqual(heads(80), ['NAME', 'STATE', 'GEN', 'SHARE', 'QUEUE', 'CPU', 'MEMORY', 'LAST EVENT']);
  });

  it('truncates long names, and no line is wider than the terminal', () => {
    const name = `${'x'.repeat(60)}-web`;
    const [, line = ''] = drawn([{ name }]);
    assert.match(line, /^\.\.\.x+-web {2}up {5}3 /);
    assert.match(line, /3s worker ready$/);
    const wide = { name: '漢'.repeat(30), user: 'somebody', uid: 5, state: 'not_answering' as const };
    for (let width = 1; width <= 200; width += 1)
      for (const each of drawn([{}, wide, { ...UNKNOWN, name }], width))
        assert.ok(columnsOf(each) <= width, `${width}: ${each}`);
  });

  it('shows control characters of an event as text', () => {
    const message = 'exited\u001b[2J\nwith code 3';
    const [, line = ''] = drawn(
      [{ last_event: { event: 'error', level: 'error', message, ms_ago: 0 } }],
      200,
    );
    assert.match(line, /0s exited\\u001b\[2J\\nwith code 3$/);
  });

  it('shows the users if other users have instances', () => {
    const [head, line] = drawn([{}], 100, 0);
    assert.match(head ?? '', /^NAME {2}USER {4}STATE/);
    assert.match(line ?? '', /^shop {2}deploy {2}up /);
    assert.match(drawn([{}], 70, 0)[0] ?? '', /^NAME {2}STATE/);
  });

  it('shows instances that this user may not control last', () => {
    const names = drawn([{ name: 'a', state: 'denied' }, { name: 'b' }, { name: 'c', state: 'down' }]).slice(
      1,
    );
    assert.deepEqual(
      names.map((line) => line.slice(0, 1)),
      ['b', 'c', 'a'],
    );
  });

  it('shows instances with problems first if the terminal has too few rows', () => {
    const error = { event: 'error', level: 'error', message: 'it failed', ms_ago: 0 };
    const instances = [
      { name: 'a', state: 'denied' },
      { name: 'b' },
      { name: 'c', last_event: error },
      { name: 'd', state: 'down' },
    ] as const;
    const order = (rows: number) =>
      drawn(instances, 80, 1000, rows)
        .slice(1)
        .map((line) => line.slice(0, 1))
        .join('');
    assert.deepEqual([order(6), order(5)], ['bcda', 'cdba']);
  });

  it('reports that nothing runs', () => {
    assert.deepEqual(drawn([]), ['no instance is running']);
  });
});
