import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './paths.ts';

/** The example files for Prometheus and Grafana. */
export const MONITORING: string = join(ROOT, 'examples', 'monitoring');

/** Every query in one of these files. */
export function expressionsOf(name: 'zero.rules.yaml' | 'grafana-dashboard.json'): string[] {
  const text = readFileSync(join(MONITORING, name), 'utf8');
  if (name === 'zero.rules.yaml') return [...text.matchAll(/^ +expr: (.+)$/gm)].map(([, expr = '']) => expr);
  const found: string[] = [];
  JSON.parse(text, (key, value) => {
    if (key === 'expr') found.push(value);
    return value;
  });
  return found;
}
