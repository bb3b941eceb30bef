import { formatDuration } from '../common/duration.ts';
import { quoted } from '../common/text.ts';
import { nearMiss } from './near-miss.ts';
import { type Finding, wrongValue } from './path.ts';
import type { Config } from './schema.ts';

const RUNTIME = ['service', 'runtime'];

/** Warnings about a valid config that probably does not mean what its author wanted. Pure. */
export function adviceOn({ service }: Config): Finding[] {
  return [...placeholderAdvice(service), ...uptimeAdvice(service), ...verifyAdvice(service)];
}

/** zero passes an unknown placeholder unchanged to the service, which is rarely intended. */
function placeholderAdvice({ listeners, runtime }: Config['service']): Finding[] {
  const names = listeners.map(({ name }) => name);
  return runtime.args.flatMap((argument, index) =>
    [...argument.matchAll(/\$\{(fd\.)?([^{}]*)\}/g)].flatMap(([whole, isFd, name = '']) => {
      const known = isFd === undefined ? ['generation', 'worker'] : names;
      const meant = nearMiss(name, known);
      if (known.includes(name) || (isFd === undefined && meant === undefined)) return [];
      const hint = meant === undefined ? '' : `: did you mean ${quoted(`\${${isFd ?? ''}${meant}}`)}?`;
      const problem =
        isFd === undefined
          ? `${quoted(whole)} is passed on unchanged${hint}`
          : `${quoted(whole)} is passed on unchanged: no listener has the name ${quoted(name)}${hint}`;
      return [wrongValue([...RUNTIME, 'args', index], problem)];
    }),
  );
}

/** A worker is ready when it has been up for reload_uptime, and late after readiness.timeout. */
function uptimeAdvice({ options, readiness }: Config['service']): Finding[] {
  if (options.reload_uptime < readiness.timeout) return [];
  const [uptime, timeout] = [options.reload_uptime, readiness.timeout].map(formatDuration);
  const problem = `${timeout} is not longer than options.reload_uptime, ${uptime}: no new generation is ready in time`;
  return [wrongValue(['service', 'readiness', 'timeout'], problem)];
}

/** A canary step and the soak continue until a check has passed in them. */
function verifyAdvice({ handover }: Config['service']): Finding[] {
  const { verify, canary, soak } = handover;
  if (verify === undefined) return [];
  const steps = [...canary.steps.map((step) => step.for), ...(soak > 0 ? [soak] : [])];
  const shortest = Math.min(...steps);
  const total = steps.reduce((sum, step) => sum + step, 0);
  const { interval, failures } = verify;
  const path = ['service', 'handover', 'verify', 'interval'];
  if (interval > shortest)
    return [
      wrongValue(
        path,
        `${formatDuration(interval)} is longer than the shortest step of canary and soak, ${formatDuration(shortest)}: each step lasts until a check has passed in it`,
      ),
    ];
  const needed = interval * (failures - 1);
  if (needed <= total) return [];
  const problem =
    `${failures} failed checks in a row take ${formatDuration(needed)} or more, and canary and soak last ${formatDuration(total)}: ` +
    'the last step lasts longer while a check fails';
  return [wrongValue(path, problem)];
}
