import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { command } from '../support/command.ts';
import { requireProgram } from '../support/debian.ts';
import { samplesIn } from '../support/exposition.ts';
import { holdRequest } from '../support/held-request.ts';
import { httpGet } from '../support/http-get.ts';
import { expressionsOf, MONITORING } from '../support/monitoring.ts';
import { ROOT } from '../support/paths.ts';
import { startPrometheus } from '../support/prometheus.ts';
import { nextReady, startServing } from '../support/puppet-service.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { DEADLINE } from '../support/zero.ts';

/** The output of promtool for a file or a text. Fails if promtool reports a problem. */
function promtool(test: TestContext, args: readonly string[], input = ''): string | null {
  const program = requireProgram(test, 'promtool', 'prometheus');
  if (program === null) return null;
  const { status, stdout, stderr } = spawnSync(program, args, { input, encoding: 'utf8', timeout: 60_000 });
  assert.equal(status, 0, `${stdout}${stderr}`);
  return `${stdout}${stderr}`;
}

const documented = [
  ...readFileSync(join(ROOT, 'docs/reference/metrics.md'), 'utf8').matchAll(/^\| `(\w+)` \| (\w+) \|/gm),
].map(([, name = '', type = '']) => (type === 'histogram' ? `${name}_count` : name));

describe('Prometheus', () => {
  it('scrapes a crash, a failed handover, a canary and a promotion', DEADLINE, async (t) => {
    const program = requireProgram(t, 'prometheus', 'prometheus');
    if (program === null) return;
    const { zero, puppets, incumbent, reload } = await startServing(t, {
      application: { admin: { address: '127.0.0.1:0' } },
      handover: { settle: '200ms', drain_timeout: '1s', canary: { steps: [{ percent: 30, for: '1h' }] } },
    });
    const admin = (await zero.fact('admin_listening')).address;
    const prometheus = await startPrometheus(t, program, admin);

    const crash = zero.cursor;
    await incumbent.die('SIGKILL');
    await nextReady(puppets);
    await zero.fact('worker_ready', {}, crash);

    const failing = reload();
    await (await puppets.next()).exit(3);
    await zero.fact('handover_finished', { outcome: 'rolled_back' }, failing);

    const held = holdRequest(t, await zero.address('http'));
    const canary = reload();
    await nextReady(puppets);
    const { generation } = await zero.fact('handover_step', { step: 'canary' }, canary);
    await prometheus.has({
      'up{job="zero"}': 1,
      'zero_handovers_total{outcome="rolled_back"}': 1,
      zero_worker_restarts_total: 1,
      'zero_worker_unexpected_exits_total{kind="signaled"}': 1,
      'zero_steering_share_ratio{generation="1"}': 0.7,
      [`zero_steering_share_ratio{generation="${generation}"}`]: 0.3,
      'zero_handover_active{phase="canary"}': 1,
      'zero_open_connections{generation="1"}': 1,
      'zero_listener_accept_queue_connections{listener="http"}': 0,
    });

    assert.equal((await command(t, zero, 'promote')).code, 0);
    await held.finish();
    await zero.fact('generation_gone', { generation: 1 });
    await prometheus.has({
      'up{job="zero"}': 1,
      'zero_handovers_total{outcome="promoted"}': 2,
      zero_incumbent_generation: Number(generation),
      'zero_handover_phase_duration_seconds_count{phase="canary"}': 1,
      'zero_handover_phase_duration_seconds_count{phase="retiring"}': 1,
      'count(zero_worker_cpu_seconds_total)': 1,
      zero_ready: 1,
    });

    const { body } = await httpGet(admin, '/metrics');
    assert.equal(promtool(t, ['check', 'metrics'], body), '');
    const found = new Set(samplesIn(body).map(({ name }) => name));
    assert.deepEqual(
      documented.filter((name) => !found.has(name)),
      [],
    );
    zero.signal('SIGTERM');
    assert.deepEqual(await zero.exited, { code: 0, signal: null });
  });
});

describe('examples/monitoring', () => {
  const at = (name: string) => join(MONITORING, name);

  it('has alert rules that Prometheus accepts, and that fire as described', DEADLINE, (t) => {
    const checked = promtool(t, ['check', 'config', at('prometheus.yaml')]);
    if (checked === null) return;
    assert.match(checked, /SUCCESS: \d+ rules found/);
    promtool(t, ['test', 'rules', at('zero.rules.test.yaml')]);
  });

  it('has a dashboard whose queries Prometheus accepts', DEADLINE, (t) => {
    const rules = expressionsOf('grafana-dashboard.json').map((expr, index) => ({
      record: `panel:${index}`,
      // The values that Grafana inserts for its variables.
      expr: expr.replaceAll('$__rate_interval', '1m').replaceAll('$instance', '.*'),
    }));
    const file = join(temporaryFolder(t), 'dashboard.rules.yaml');
    writeFileSync(file, JSON.stringify({ groups: [{ name: 'dashboard', rules }] }));
    promtool(t, ['check', 'rules', file]);
  });
});
