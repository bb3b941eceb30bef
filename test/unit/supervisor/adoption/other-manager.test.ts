import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { managerIn, type Origins } from '../../../../src/supervisor/adoption/other-manager.ts';

function origins(changes: Partial<Origins>): Origins {
  return { cgroup: [], environment: new Map(), ancestors: [], pm2Home: '/root/.pm2', ...changes };
}

const PM2 = { pid: 12, name: 'PM2 v5.4.2: God', args: ['PM2 v5.4.2: God Daemon (/root/.pm2)'] };

describe('the manager that would restart an adopted service', () => {
  it('is absent for a program that was started by hand', () => {
    const shell = { pid: 7, name: 'bash', args: ['-bash'] };
    const cgroup = ['0::/user.slice/user-1000.slice/session-3.scope'];
    assert.equal(managerIn(origins({ cgroup, ancestors: [shell] })), null);
  });

  it('is a unit of systemd, with the command that ends its restarts', () => {
    const manager = managerIn(origins({ cgroup: ['0::/system.slice/app.service'] }));
    assert.equal(manager?.name, 'systemd unit app.service');
    assert.equal(manager?.when, 'before');
    assert.match(manager?.command ?? '', /Restart=no.*> \/run\/systemd\/system\/app\.service\.d\/zero\.conf/);
    assert.match(manager?.command ?? '', /systemctl daemon-reload && systemctl disable app\.service$/);
  });

  it('is a unit of a user, not that of the user manager itself', () => {
    const path = '0::/user.slice/user-1000.slice/user@1000.service/app.slice/app.service';
    const manager = managerIn(origins({ cgroup: [path] }));
    assert.equal(manager?.name, 'systemd unit app.service');
    assert.match(manager?.command ?? '', /systemctl --user disable app\.service$/);
    const own = '0::/user.slice/user-1000.slice/user@1000.service/app.slice/vte-spawn-1.scope';
    assert.equal(managerIn(origins({ cgroup: [own] })), null);
  });

  it('is pm2, even if pm2 is a unit of systemd', () => {
    const environment = new Map([['name', 'shop']]);
    const cgroup = ['0::/system.slice/pm2-root.service'];
    const manager = managerIn(origins({ cgroup, environment, ancestors: [PM2] }));
    assert.deepEqual(manager, { name: 'pm2 (pid 12)', when: 'after', command: 'pm2 delete shop' });
  });

  it('is a pm2 with its own directory, without which the command would start another pm2', () => {
    const environment = new Map([
      ['name', 'shop'],
      ['PM2_HOME', '/srv/my pm2'],
    ]);
    const { command } = managerIn(origins({ environment, ancestors: [PM2] })) ?? {};
    assert.equal(command, "PM2_HOME='/srv/my pm2' pm2 delete shop");
    const pm2Home = '/home/deploy/.pm2';
    const without = managerIn(origins({ pm2Home, ancestors: [PM2] }));
    assert.equal(without?.command, 'PM2_HOME=/root/.pm2 pm2 delete NAME');
  });

  it('is supervisord', () => {
    const environment = new Map([
      ['SUPERVISOR_GROUP_NAME', 'web'],
      ['SUPERVISOR_PROCESS_NAME', 'web_00'],
    ]);
    const ancestors = [{ pid: 9, name: 'python3', args: ['python3', '/usr/bin/supervisord', '-n'] }];
    const manager = managerIn(origins({ environment, ancestors }));
    assert.deepEqual(manager, {
      name: 'supervisord (pid 9)',
      when: 'after',
      command: 'supervisorctl stop web:web_00',
    });
  });

  it('is reported with a command that runs nothing else, whatever the environment of the service', () => {
    const environment = new Map([['name', "x'; reboot; '"]]);
    const manager = managerIn(origins({ environment, ancestors: [PM2] }));
    assert.equal(manager?.command, `pm2 delete 'x'\\''; reboot; '\\'''`);
  });

  it('is a unit with an escaped name', () => {
    const cgroup = ['0::/system.slice/srv-my\\x2dapp.service'];
    const { command = '' } = managerIn(origins({ cgroup })) ?? {};
    assert.match(command, /^mkdir -p \/run\/systemd\/system\/'srv-my\\x2dapp\.service\.d' &&/);
    assert.match(command, /systemctl disable 'srv-my\\x2dapp\.service'$/);
  });

  it('is runit', () => {
    const ancestors = [{ pid: 9, name: 'runsv', args: ['runsv', 'web'] }];
    assert.equal(managerIn(origins({ ancestors }))?.command, 'sv once web');
  });
});
