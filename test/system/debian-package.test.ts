import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { requireProgram } from '../support/debian.ts';
import { buildPackage, debianRoot } from '../support/debian-root.ts';
import { executableFile } from '../support/executable.ts';
import { startLoad } from '../support/load.ts';
import { fixture, ROOT } from '../support/paths.ts';
import { requireRoot } from '../support/privileges.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, startZero } from '../support/zero.ts';

/** It builds packages, and executables if they are missing. */
const LONG = { timeout: DEADLINE.timeout * 3 };

const SCRIPT = join(ROOT, 'scripts', 'deb.js');

describe('the Debian package', () => {
  it('passes the checks of lintian', LONG, (t) => {
    const lintian = requireProgram(t, 'lintian', 'lintian');
    if (lintian === null || requireProgram(t, 'dpkg-deb', 'dpkg') === null) return;
    executableFile();
    execFileSync(process.execPath, [join(ROOT, 'scripts', 'man.js')]);
    const file = buildPackage(SCRIPT, temporaryFolder(t));
    // Only this test omits the compression of the package, for speed.
    const uncompressed = ['control', 'data'].map((part) => `uses-no-compression-for-${part}-tarball`);
    const checks = ['--fail-on', 'error,warning', '--suppress-tags', uncompressed.join(), file];
    assert.equal(execFileSync(lintian, checks, { encoding: 'utf8' }), '');
  });

  it(
    'is installed, upgrades a running zero in place, survives a broken version, is removed and purged',
    LONG,
    async (t) => {
      if (!requireRoot(t, 'dpkg(1) and mount(2)')) return;
      if (requireProgram(t, 'dpkg-deb', 'dpkg') === null) return;
      const folder = temporaryFolder(t);
      const root = await debianRoot(t, folder);
      if (root === null) return t.skip('needs an overlay file system in a mount namespace');
      executableFile();
      execFileSync(process.execPath, [join(ROOT, 'scripts', 'man.js')]);
      const first = buildPackage(SCRIPT, folder);
      const second = buildPackage(SCRIPT, folder, '--version', '0.2.0');
      const broken = join(folder, 'broken');
      writeFileSync(broken, '#!/bin/sh\necho "zero: cannot start" >&2\nexit 1\n', { mode: 0o755 });
      const third = buildPackage(SCRIPT, folder, '--version', '0.3.0', '--executable', broken);

      const inside = async (...command: readonly string[]): Promise<string> => {
        const { status, output } = await root.run(...command);
        assert.equal(status, 0, output);
        return output;
      };
      const install = (file: string): Promise<string> => inside('dpkg', '--install', file);
      await install(first);
      await inside('getent', 'group', 'zero');
      await inside('test', '-s', '/usr/share/man/man5/zero.yaml.5.gz');
      await inside('bash', '-c', '. /usr/share/bash-completion/completions/zero');

      const zero = startZero(t, {
        folder,
        command: [...root.command, '/usr/bin/zero'],
        config: {
          application: { runtime_directory: '/run/zero/hello', data_directory: '/var/lib/zero/hello' },
          service: {
            listeners: [{ name: 'http', address: '127.0.0.1:0' }],
            runtime: { name: 'hello', path: '/usr/bin/perl', args: [fixture('accept-loop.pl')] },
            options: { reload_uptime: '0s' },
            handover: { settle: '100ms', drain_timeout: '1s' },
          },
        },
      });
      await zero.fact('handover_finished', { outcome: 'promoted' });
      const load = startLoad(t, { target: await zero.address('http') });
      await load.whenPhaseHas(50);

      assert.match(
        await install(second),
        /hello: zero \S+ was replaced by zero \S+; the service was not touched/,
      );
      await zero.fact('supervisor_recovered', { by: 'upgrade' });
      load.phase('broken');
      const { cursor } = zero;
      const said = await install(third);
      assert.match(
        said,
        /zero: some running instances were not upgraded\. They keep running version 0\.2\.0/,
      );
      await load.whenPhaseHas(50);
      load.phase('corrected');
      assert.match(await install(second), /hello: zero \S+ was replaced/);
      await zero.fact('supervisor_recovered', { by: 'upgrade' }, cursor);
      await inside('/usr/bin/zero', 'reload', '--config', zero.config ?? '');
      await load.whenPhaseHas(50);
      assert.match(await inside('dpkg', '--remove', 'zerodown'), /Removing zerodown/);
      load.phase('removed');
      await load.whenPhaseHas(50);
      const { failed, losses } = await load.stop();
      assert.equal(failed, 0, JSON.stringify(losses));
      zero.signal('SIGTERM');
      await zero.exited;
      await inside('dpkg', '--purge', 'zerodown');
      await inside(
        'sh',
        '-c',
        'test ! -e /usr/bin/zero && test ! -e /var/lib/zero/hello && test ! -e /etc/zero',
      );
    },
  );
});
