import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { supervisorOf } from '../../../../src/service/ready/managers.ts';

function command(environment: Record<string, string>, cgroup = ''): string | null {
  const supervisor = supervisorOf({ environment, pid: 100, ppid: 99 }, () => cgroup);
  return supervisor && `${supervisor.manager}: ${supervisor.command}`;
}

const SOCKETS = { LISTEN_PID: '100', LISTEN_FDS: '1' };

describe('a manager that starts new versions', () => {
  it('is reported with its command', () => {
    assert.equal(command({ ZERO_GENERATION: '1' }), 'zero: zero reload');
    assert.equal(command({ EINHORN_MASTER_PID: '99' }), 'Einhorn: einhornsh --execute upgrade');
    assert.equal(command({ SERVER_STARTER_PORT: '80=3' }), 'Server::Starter: kill -HUP 99');
    assert.equal(
      command(SOCKETS, '0::/system.slice/app.service\n'),
      'systemd: systemctl restart app.service',
    );
  });

  it('is zero, which speaks every convention', () => {
    const all = { ...SOCKETS, EINHORN_MASTER_PID: '99', SERVER_STARTER_PORT: '80=3', ZERO_GENERATION: '1' };
    assert.equal(command(all), 'zero: zero reload');
  });

  it('is absent if the variables are meant for another process, or no process holds the sockets', () => {
    assert.equal(command({}), null);
    assert.equal(command({ EINHORN_MASTER_PID: '1' }), null);
    assert.equal(command({ ...SOCKETS, LISTEN_PID: '1' }), null);
    assert.equal(command({ NOTIFY_SOCKET: '/run/systemd/notify' }), null);
  });

  it('is the systemd of a user, or an unknown unit', () => {
    const user = '0::/user.slice/user-1000.slice/user@1000.service/app.slice/app.service\n';
    assert.equal(command(SOCKETS, user), 'systemd: systemctl --user restart app.service');
    assert.equal(command(SOCKETS, '0::/\n'), 'systemd: systemctl restart UNIT');
  });
});
