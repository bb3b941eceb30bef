import type { FactDocument } from '../../control/protocol.ts';
import { duration, safe } from './style.ts';

/** Events that are too detailed for a waiting user, part of the result, or shown by HandoverProgress. */
const LEFT_OUT: ReadonlySet<string> = new Set([
  'gate_passed',
  'handover_finished',
  'output_dropped',
  'steering_changed',
  'scale_finished',
  'supervisor_stopped',
]);

/** One line for an event, or null if it is not shown. An unknown kind is shown by its name. */
export function renderFact({ event, ...fields }: FactDocument): string | null {
  if (LEFT_OUT.has(event)) return null;
  const words = SENTENCES.get(event)?.(fields) ?? generic(event, fields);
  return safe(words);
}

type Fields = Readonly<Record<string, unknown>>;

const number = (value: unknown): string => (typeof value === 'number' ? String(value) : '?');
const text = (value: unknown): string => (typeof value === 'string' ? value : '?');
const ms = (value: unknown): string => (typeof value === 'number' ? duration(value) : '?');
const worker = ({ generation, worker: index }: Fields): string =>
  `worker ${number(index)} of generation ${number(generation)}`;

const SENTENCES = new Map<string, (fields: Fields) => string>(
  Object.entries({
    reload_requested: ({ merged }) =>
      merged === true ? 'waits for the handover in progress' : 'reload requested',
    handover_started: ({ handover }) => `handover ${number(handover)} started`,
    handover_step: ({ step, percent, lasts_ms }) => {
      const share = typeof percent === 'number' ? ` ${percent} %` : '';
      const time = typeof lasts_ms === 'number' ? ` for ${duration(lasts_ms)}` : '';
      const advice =
        step === 'preview' ? ' at most: continue with "zero promote", return with "zero abort"' : '';
      return `${text(step)}${share}${time}${advice}`;
    },
    service_starting: ({ generation, path }) => `generation ${number(generation)} starts: ${text(path)}`,
    worker_spawned: (fields) => `${worker(fields)} spawned, pid ${number(fields.pid)}`,
    worker_ready: (fields) => `${worker(fields)} ready after ${ms(fields.after_ms)}`,
    worker_exited: (fields) => `${worker(fields)} exited after ${ms(fields.uptime_ms)}`,
    scale_started: ({ from, to }) => `changing the number of workers from ${number(from)} to ${number(to)}`,
    generation_promoted: ({ generation }) => `generation ${number(generation)} promoted`,
    generation_retiring: ({ generation }) => `generation ${number(generation)} retires`,
    generation_gone: ({ generation }) => `generation ${number(generation)} ended`,
    stop_requested: ({ now }) => (now === true ? 'stopping now' : 'stopping'),
    warning: ({ message }) => `warning: ${text(message)}`,
    error: ({ message }) => `error: ${text(message)}`,
  } satisfies Record<string, (fields: Fields) => string>),
);

function generic(event: string, fields: Fields): string {
  const plain = Object.entries(fields).flatMap(([name, value]) =>
    typeof value === 'string' || typeof value === 'number' || value === true ? [`${name}=${value}`] : [],
  );
  return [event.replaceAll('_', ' '), ...plain].join(' ');
}
