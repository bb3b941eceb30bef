import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, readlinkSync, realpathSync, symlinkSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { fixture, ZERO_COMMAND } from '../support/paths.ts';
import { account, requireRoot } from '../support/privileges.ts';
import type { Puppet } from '../support/puppet.ts';
import { startReporter, variablesOf } from '../support/reporter-service.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, startZero, type Zero } from '../support/zero.ts';

/** zero started by a shell that runs this first, in the same process. */
function after(shell: string): [string, ...string[]] {
  return ['sh', '-c', `${shell}; exec "$@"`, 'sh', ...ZERO_COMMAND];
}

/** The socket of a listener in the supervisor, in the form of /proc: `socket:[inode]`. */
async function socketOf(zero: Zero, listener: string): Promise<string> {
  const { fd } = await zero.fact('listener_bound', { listener });
  return readlinkSync(`/proc/${zero.pid}/fd/${fd}`);
}

function assertDescriptors(report: Puppet, numbers: readonly number[]): void {
  const open = Object.keys(report.announcement.fds).map(Number);
  assert.deepEqual(
    open.sort((a, b) => a - b),
    [...numbers].sort((a, b) => a - b),
    JSON.stringify(report.announcement.fds),
  );
}

/** SigPnd, SigBlk and SigIgn of proc_pid_status(5), printed by the service. */
async function signalLines(zero: Zero): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of createInterface({ input: zero.process.stdout as Readable })) {
    if (line.startsWith('SigCgt')) return lines.filter((one) => /^Sig(Pnd|Blk|Ign)/.test(one));
    lines.push(line);
  }
  return lines;
}

describe('the descriptors of a service', () => {
  it(
    'have the numbers of the config, including gaps and large ones, and nothing else is open',
    DEADLINE,
    async (t) => {
      const folder = temporaryFolder(t);
      const { zero, report } = await startReporter(t, {
        folder,
        // Descriptors that zero itself inherited are not passed to the service.
        command: after('exec 4</dev/null 5</dev/null 7</dev/zero 9</etc/passwd'),
        listeners: [
          { name: 'late', address: '127.0.0.1:0', socket_fd: 300 },
          { name: 'http', address: '127.0.0.1:0', socket_fd: 3 },
          { name: 'path', address: `unix:${join(folder, 'sock')}`, socket_fd: 12 },
          { name: 'abstract', address: `unix:@zero-test-${process.pid}`, socket_fd: 5 },
          { name: 'packets', address: 'udp:127.0.0.1:0', socket_fd: 7 },
          { name: 'messages', address: `unixgram:${join(folder, 'dgram')}`, socket_fd: 20 },
        ],
        readiness: { ready_fd: 10 },
      });
      const { fds } = report.announcement;
      assertDescriptors(report, [0, 1, 2, 3, 5, 7, 10, 12, 20, 300]);
      assert.equal(fds[0], '/dev/null');
      for (const number of [1, 2, 10])
        assert.match(fds[number] ?? '', /^pipe:\[\d+\]$/, `descriptor ${number}`);
      assert.equal(new Set([fds[1], fds[2], fds[10]]).size, 3);
      const numbers = { late: 300, http: 3, path: 12, abstract: 5, packets: 7, messages: 20 };
      for (const [name, number] of Object.entries(numbers))
        assert.equal(fds[number], await socketOf(zero, name), name);
    },
  );

  it('without a number get the next free one from 3', DEADLINE, async (t) => {
    const listeners = [
      { name: 'a', address: '127.0.0.1:0' },
      { name: 'b', address: '127.0.0.1:0', socket_fd: 4 },
      { name: 'c', address: '127.0.0.1:0' },
    ];
    const { zero, report } = await startReporter(t, { listeners, readiness: { ready_fd: 3 } });
    assertDescriptors(report, [0, 1, 2, 3, 4, 5, 6]);
    const { fds } = report.announcement;
    assert.match(fds[3] ?? '', /^pipe:/);
    assert.deepEqual(
      [fds[5], fds[4], fds[6]],
      await Promise.all(['a', 'b', 'c'].map((name) => socketOf(zero, name))),
    );
  });

  it('are the same sockets for the next generation and for a restarted worker', DEADLINE, async (t) => {
    const service = await startReporter(t, {
      listeners: [{ name: 'http', address: '127.0.0.1:0', socket_fd: 11 }],
    });
    const { zero, report, puppets } = service;
    const next = await service.reload();
    assertDescriptors(next, [0, 1, 2, 11]);
    assert.equal(next.announcement.fds[11], report.announcement.fds[11]);
    await zero.fact('generation_gone', { generation: 1 });
    process.kill(next.pid, 'SIGKILL');
    const again = await puppets.next();
    assert.deepEqual([again.generation, again.announcement.fds[11]], [2, report.announcement.fds[11]]);
    assertDescriptors(again, [0, 1, 2, 11]);
  });

  it('without listeners are 0, 1 and 2', DEADLINE, async (t) => {
    const { report } = await startReporter(t, { listeners: [] });
    assertDescriptors(report, [0, 1, 2]);
  });
});

describe('a service process', () => {
  it('leads its own session, as a child of zero', DEADLINE, async (t) => {
    const { zero, report } = await startReporter(t);
    const { pid, ppid, sid } = report.announcement;
    assert.equal(sid, pid);
    assert.equal(ppid, zero.pid);
  });

  it('has the default action of every signal, and none is blocked', DEADLINE, async (t) => {
    // The reporter is written in perl, which ignores SIGFPE. The shell changes nothing.
    const script =
      'while read -r line; do case $line in Sig*) echo "$line";; esac; done </proc/self/status; exec sleep 1000';
    const zero = startZero(t, {
      config: { service: { listeners: [], runtime: { path: '/bin/sh', args: ['-c', script] } } },
      // The effect of nohup, cron and some shells: ignored signals and the mask are preserved by execve(2).
      command: [
        'perl',
        '-MPOSIX',
        '-e',
        '$SIG{$_} = "IGNORE" for qw(HUP INT QUIT PIPE CHLD USR2 WINCH TSTP TTIN TTOU NUM40);' +
          'sigprocmask(SIG_BLOCK, POSIX::SigSet->new(SIGALRM, SIGUSR2, SIGTTOU)) or die; exec @ARGV or die',
        ...ZERO_COMMAND,
      ],
    });
    const none = '0000000000000000';
    assert.deepEqual(await signalLines(zero), [`SigPnd:\t${none}`, `SigBlk:\t${none}`, `SigIgn:\t${none}`]);
  });

  it('has the umask and limits of the config', DEADLINE, async (t) => {
    const { report } = await startReporter(t, {
      runtime: {
        umask: '0027',
        limits: { nofile: '100:200', core: 0, stack: '1048576:unlimited', nproc: 500 },
      },
    });
    const { umask, limits } = report.announcement;
    assert.equal(umask, 0o027);
    assert.deepEqual(limits['Max open files'], { soft: '100', hard: '200' });
    assert.deepEqual(limits['Max core file size'], { soft: '0', hard: '0' });
    assert.deepEqual(limits['Max stack size'], { soft: '1048576', hard: 'unlimited' });
    assert.deepEqual(limits['Max processes'], { soft: '500', hard: '500' });
    assertDescriptors(report, [0, 1, 2, 3]);
  });

  it('has those of zero without a config', DEADLINE, async (t) => {
    const { report } = await startReporter(t, { command: after('umask 0013; ulimit -c 0; ulimit -s 4096') });
    const { umask, limits } = report.announcement;
    assert.equal(umask, 0o013);
    assert.deepEqual(limits['Max core file size'], { soft: '0', hard: '0' });
    assert.deepEqual(limits['Max stack size'], { soft: '4194304', hard: '4194304' });
  });

  it(
    'runs in its directory, and the links in its path are resolved for each generation',
    DEADLINE,
    async (t) => {
      const folder = realpathSync(temporaryFolder(t));
      for (const release of ['one', 'two']) {
        mkdirSync(join(folder, release, 'bin'), { recursive: true });
        symlinkSync(fixture('report.pl'), join(folder, release, 'bin', 'service'));
      }
      symlinkSync('one', join(folder, 'current'));
      const service = await startReporter(t, {
        runtime: { directory: join(folder, 'current'), path: 'bin/service', args: ['x'] },
      });
      assert.equal(service.report.announcement.cwd, join(folder, 'one'));
      // The last component is executed as written. The kernel executes the interpreter of a script.
      assert.deepEqual(service.report.argv.slice(-2), [join(folder, 'one/bin/service'), 'x']);
      unlinkSync(join(folder, 'current'));
      symlinkSync('two', join(folder, 'current'));
      const next = await service.reload();
      assert.equal(next.announcement.cwd, join(folder, 'two'));
      assert.deepEqual(next.argv.slice(-2), [join(folder, 'two/bin/service'), 'x']);
    },
  );

  it('gets its arguments with placeholders replaced, and all other text unchanged', DEADLINE, async (t) => {
    const args = [
      '--fd',
      '${fd.http}',
      'a${fd.b-2}b${generation}c${worker}',
      '${fd.none}',
      '${HOME}',
      '$fd',
      '',
      ' x\ny ',
      '%h',
      'é',
    ];
    const service = await startReporter(t, {
      listeners: [
        { name: 'http', address: '127.0.0.1:0', socket_fd: 17 },
        { name: 'b-2', address: '127.0.0.1:0', socket_fd: 4 },
      ],
      runtime: { args },
    });
    const filled = (generation: number) => ['--fd', '17', `a4b${generation}c0`, ...args.slice(3)];
    assert.deepEqual(service.report.argv.slice(-args.length), filled(1));
    assert.deepEqual((await service.reload()).argv.slice(-args.length), filled(2));
  });
});

describe('a service that runs as another user', () => {
  it('has its user, group and groups, and the LISTEN_PID of its own process', DEADLINE, async (t) => {
    if (!requireRoot(t, 'to start a service as another user')) return;
    const nobody = account('nobody');
    const { report } = await startReporter(t, {
      // Groups of zero itself, which must not be passed on.
      command: ['setpriv', '--groups=0,4,24', '--', ...ZERO_COMMAND],
      runtime: { user: 'nobody', directory: '/', umask: '0077', limits: { nofile: '64:128' } },
    });
    const { uid, gid, groups, pid, limits, umask, sid } = report.announcement;
    assert.deepEqual([uid, gid], [nobody.uid, nobody.gid]);
    assert.deepEqual([...groups].sort(), [...nobody.groups].sort());
    assert.equal(variablesOf(report).get('LISTEN_PID'), String(pid));
    assert.equal(sid, pid);
    assert.deepEqual(limits['Max open files'], { soft: '64', hard: '128' });
    assert.equal(umask, 0o077);
    assertDescriptors(report, [0, 1, 2, 3]);
  });

  it('has another primary group if the config sets one', DEADLINE, async (t) => {
    if (!requireRoot(t, 'to start a service as another user')) return;
    const { report } = await startReporter(t, {
      runtime: { user: 'nobody', group: 'daemon', directory: '/' },
    });
    assert.equal(report.announcement.uid, account('nobody').uid);
    assert.equal(report.announcement.gid, account('daemon').gid);
  });

  it('has the supplementary groups of a login', DEADLINE, async (t) => {
    if (!requireRoot(t, 'to start a service as another user')) return;
    const member = readFileSync('/etc/group', 'utf8').match(/^[^:]+:[^:]*:\d+:([^,\n]+)/m)?.[1];
    if (member === undefined) return t.skip('no user of /etc/group has a supplementary group');
    const { uid, groups } = account(member);
    const { report } = await startReporter(t, { runtime: { user: String(uid), directory: '/' } });
    assert.equal(report.announcement.uid, uid);
    assert.deepEqual([...report.announcement.groups].sort(), [...groups].sort());
  });
});
