import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Metrics } from '../../../src/admin/metrics.ts';
import { typesIn } from '../../support/exposition.ts';
import { expressionsOf, MONITORING } from '../../support/monitoring.ts';
import { FakeSource } from './fixture.ts';

/** Every name for a query: a histogram has three series. */
async function series(): Promise<Set<string>> {
  const types = typesIn(await new Metrics(new FakeSource()).text());
  return new Set(
    [...types].flatMap(([name, type]) =>
      type === 'histogram' ? ['_bucket', '_sum', '_count'].map((suffix) => name + suffix) : [name],
    ),
  );
}

describe('examples/monitoring', () => {
  for (const file of ['zero.rules.yaml', 'grafana-dashboard.json'] as const) {
    it(`${file} uses existing metrics`, async () => {
      const known = await series();
      const used = expressionsOf(file).flatMap((expr) => expr.match(/\b(?:zero|process)_\w+/g) ?? []);
      assert.ok(used.length >= 10);
      assert.deepEqual(
        used.filter((name) => !known.has(name)),
        [],
      );
    });
  }

  it('shows every metric on the dashboard, except those about the process itself', async () => {
    const shown = expressionsOf('grafana-dashboard.json').join('\n');
    const names = [...typesIn(await new Metrics(new FakeSource()).text()).keys()];
    const left = names.filter((name) => name.startsWith('zero_') && !shown.includes(name));
    assert.deepEqual(left, ['zero_info', 'zero_release_info']);
  });

  it('has a dashboard whose panels do not overlap', () => {
    const { panels } = JSON.parse(readFileSync(join(MONITORING, 'grafana-dashboard.json'), 'utf8'));
    const taken = new Map<string, string>();
    for (const { title, gridPos } of panels) {
      assert.ok(gridPos.x + gridPos.w <= 24, title);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
          assert.equal(taken.get(`${x} ${y}`), undefined, title);
          taken.set(`${x} ${y}`, title);
        }
      }
    }
    assert.equal(new Set(panels.map(({ id }: { id: number }) => id)).size, panels.length);
  });
});
