import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { watchCommandLines } from '../support/command-lines.ts';
import { requireRoot } from '../support/privileges.ts';
import { startReporter, variablesOf } from '../support/reporter-service.ts';
import { DEADLINE } from '../support/zero.ts';

const SECRET = 'correct-horse\nbattery-staple';

/** Variables for each way to the service: unchanged, under another name, and over a descriptor. */
const WAYS: readonly (readonly [string, readonly string[]])[] = [
  ['ordinary names', ['DATABASE_PASSWORD']],
  ['names that a shell or the dynamic linker uses', ['PWD', 'IFS', 'LC_ALL', 'LD_LIBRARY_PATH']],
  ['names that no shell passes on', ['spring.datasource.password', 'OPTIND']],
];

describe('the command lines of all processes', () => {
  for (const [kind, names] of WAYS) {
    it(`never show a value of a variable: ${kind}`, DEADLINE, async (t) => {
      if (!requireRoot(t, 'to start a service as another user')) return;
      const variables = names.map((key) => ({ key, value: SECRET }));
      const environment = Object.fromEntries(names.map((name) => [name, SECRET]));
      // The linker of zero itself needs its own path, which hooks inherit.
      delete environment.LD_LIBRARY_PATH;
      const watcher = await watchCommandLines(t);
      const service = await startReporter(t, {
        variables,
        environment,
        runtime: { user: 'nobody', directory: '/', umask: '0022', limits: { core: 0 } },
        readiness: { command: { run: ['/bin/true', 'gate'] } },
      });
      for (let generation = 2; generation <= 6; generation += 1) {
        const report = await service.reload();
        assert.deepEqual(
          names.map((name) => variablesOf(report).get(name)),
          names.map(() => SECRET),
        );
        await service.zero.fact('generation_promoted', { generation });
      }
      const seen = await watcher.stop();
      assert.ok(
        seen.some((line) => line.includes('report.pl')),
        seen.join('\n'),
      );
      assert.deepEqual(
        seen.filter((line) => line.includes('correct-horse')),
        [],
      );
    });
  }
});
