import type { LoggedEvent } from '../../control/event-log.ts';
import { html } from '../html.ts';
import { icon, type Tone } from './graphics.ts';

/** Limit for one line, in characters: the log may contain a stack or output. */
const MAX_LENGTH = 400;
/** Levels of objects and arrays in a field. */
const MAX_DEPTH = 6;

/** Events that report a problem. For handovers and exits that depends on their fields. */
const WRONG = new Set([
  'worker_not_ready',
  'worker_spawn_failed',
  'worker_killed',
  'leftovers_killed',
  'output_dropped',
  'warning',
  'worker_stalled',
  'worker_unhealthy',
  'worker_replacement_failed',
  'worker_not_stoppable',
  'generation_rolled_back',
  'keeper_lost',
  'output_lost',
  'notify_lost',
]);

/** Fields that are too long for a line. The JSON log contains them. */
const LEFT_OUT = new Set(['usage', 'stack']);

/** Each event as an item of a list, newest first. @param redact hides secrets */
export function logLines(events: readonly LoggedEvent[], redact: (text: string) => string): string[] {
  return events.toReversed().map(({ text }) => {
    const { time, event, ...fields } = JSON.parse(text) as Record<string, unknown>;
    const details = Object.entries(fields)
      .filter(([name, value]) => value !== null && !LEFT_OUT.has(name))
      .map(([name, value]) => `${name}: ${valueText(value)}`)
      .join(', ');
    const clock = String(time);
    return html`<li>${icon(toneOf(String(event), fields))}<time datetime="${clock}">${clock.slice(11, 19)}</time> <strong>${String(event)}</strong> <span>${shortened(redact(details))}</span></li>`
      .text;
  });
}

function toneOf(event: string, { failure = null, expected, outcome }: Record<string, unknown>): Tone {
  if (event === 'error') return 'bad';
  if (event === 'handover_finished') return outcome === 'promoted' ? 'good' : 'bad';
  if (event === 'generation_promoted') return 'good';
  return WRONG.has(event) || failure !== null || expected === false ? 'warn' : 'quiet';
}

/** @param depth levels that are still shown: events of another user's supervisor can have any content */
function valueText(value: unknown, depth = MAX_DEPTH): string {
  if (typeof value !== 'object' || value === null) return String(value);
  if ('reason' in value && typeof value.reason === 'string') return value.reason;
  if (depth === 0) return '...';
  return Object.values(value)
    .map((one) => valueText(one, depth - 1))
    .join(' ');
}

function shortened(text: string): string {
  return text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH)}...` : text;
}
