import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { bootId, processStat } from '../../../../src/linux/procfs.ts';
import { describeInstanceHolding } from '../../../../src/supervisor/instance/holding-instance.ts';

const UID = process.geteuid?.() ?? 0;
const STARTED = processStat(process.pid)?.startTime ?? 0;
/** No process has this start time with this pid. */
const GONE = { pid: process.pid, start_time_ticks: STARTED + 1 };
const ALIVE = { pid: process.pid, start_time_ticks: STARTED };

const STATE = {
  version: 2,
  instance: 'web',
  boot_id: bootId(),
  config_file: '/etc/web.yaml',
  supervisor: GONE,
  processes: [ALIVE],
  listeners: [{ inode: 4711, lanes: [{ inode: 4712 }, { inode: 4713 }] }],
};

/** The directories with one instance whose state is this text. */
function rootsWith(t: TestContext, text: string) {
  const directory = mkdtempSync(path.join(tmpdir(), 'holding-'));
  t.after(() => rmSync(directory, { recursive: true }));
  mkdirSync(path.join(directory, 'web'));
  mkdirSync(path.join(directory, 'empty'));
  const file = path.join(directory, 'web', 'state.json');
  writeFileSync(file, text);
  return { file, roots: [{ directory, uid: UID }] };
}

test('the remaining service that holds the socket is reported, with the commands that continue and stop it', (t) => {
  const { roots } = rootsWith(t, JSON.stringify(STATE));
  const expected = `The address belongs to the service of instance web, whose zero (pid ${process.pid}) has died. Continue that service with: zero --config /etc/web.yaml. Or stop it with: zero stop --name web`;
  for (const inode of [4711, 4713])
    assert.equal(describeInstanceHolding({ inode, uid: UID }, roots), expected);
  assert.equal(describeInstanceHolding({ inode: 0, uid: UID, pid: process.pid }, roots), expected);
  for (const inode of [0, 4714]) assert.equal(describeInstanceHolding({ inode, uid: UID }, roots), null);
});

test('an instance without a config file and a running one are reported', (t) => {
  const { file, roots } = rootsWith(t, JSON.stringify({ ...STATE, config_file: null }));
  const holder = { inode: 4711, uid: null };
  assert.match(
    `${describeInstanceHolding(holder, roots)}`,
    /Continue that service with the command that started it\. Or/,
  );
  writeFileSync(file, JSON.stringify({ ...STATE, supervisor: ALIVE }));
  assert.equal(
    describeInstanceHolding(holder, roots),
    `The address belongs to the service of instance web (zero pid ${process.pid}). Stop that service with: zero stop --name web`,
  );
});

test('no instance is reported if its state cannot be trusted', (t) => {
  const { file, roots } = rootsWith(t, '{"version":2,');
  const holder = { inode: 4711, uid: UID };
  const texts = ['{"version":2,', '[]', 'null', '{}', JSON.stringify({ ...STATE, boot_id: 'another' })];
  for (const text of [...texts, JSON.stringify({ boot_id: bootId() })]) {
    writeFileSync(file, text);
    assert.equal(describeInstanceHolding(holder, roots), null, text);
  }
  writeFileSync(`${file}.real`, JSON.stringify(STATE));
  rmSync(file);
  symlinkSync(`${file}.real`, file);
  assert.equal(describeInstanceHolding(holder, roots), null);
});
