import { hostname } from 'node:os';
import { escapeControls } from '../../common/text.ts';
import type { RunHook } from '../../lifecycle/hook.ts';

/**
 * Maximum length of a reason, in characters. The kernel refuses a string of the environment above 128 KiB
 * (MAX_ARG_STRLEN, execve(2)), and two variables contain the reason.
 */
const MAX_REASON = 4000;

/**
 * The variables of a hook by name. `ZERO_MESSAGE` and `ZERO_REASON` are one line without control characters, so that a
 * script can put them into a mail or a document.
 */
export function hookVariables(hook: RunHook, instance: string, time: Date): [string, string][] {
  const { name, handover, generation, path, incumbent, outcome, replacement, notice } = hook;
  const about = replacement ?? notice ?? null;
  const reason = about && oneLine(about.reason);
  const worker = about?.worker ?? null;
  const cause = about?.cause ?? null;
  const message = oneLine(`${instance}: ${sentenceOf(hook)}${reason === null ? '' : `: ${reason}`}`);
  const document = {
    event: name,
    name: instance,
    host: hostname(),
    time: time.toISOString(),
    message,
    handover,
    generation,
    release: path,
    incumbent,
    outcome,
    worker,
    replacement: replacement?.replacement ?? null,
    cause,
    reason,
  };
  const values = {
    ZERO_EVENT: name,
    ZERO_NAME: instance,
    ZERO_HANDOVER: handover ?? '',
    ZERO_GENERATION: generation,
    ZERO_RELEASE: path,
    ZERO_INCUMBENT: incumbent ?? '',
    ZERO_OUTCOME: outcome ?? '',
    ...(about && { ZERO_WORKER: worker ?? '', ZERO_CAUSE: cause ?? '', ZERO_REASON: reason ?? '' }),
    ...(replacement && { ZERO_REPLACEMENT: replacement.replacement }),
    ZERO_MESSAGE: message,
    ZERO_JSON: JSON.stringify(document),
  };
  return Object.entries(values).map(([key, value]) => [key, String(value)]);
}

function oneLine(text: string): string {
  return escapeControls(text).slice(0, MAX_REASON);
}

/** Describes the event without its reason. */
function sentenceOf({ name, generation, incumbent, outcome, replacement, notice }: RunHook): string {
  switch (name) {
    case 'before_reload':
      return `generation ${generation} is going to be started`;
    case 'after_promote':
      return `generation ${generation} was promoted`;
    case 'after_rollback':
      return `generation ${generation} was stopped (${outcome?.replaceAll('_', ' ')}), and generation ${incumbent} serves`;
    case 'on_replace':
      return outcome === 'replaced'
        ? `worker ${replacement?.worker} of generation ${generation} was replaced by worker ${replacement?.replacement}`
        : `worker ${replacement?.worker} of generation ${generation} could not be replaced`;
    case 'on_crash_loop':
      return `worker ${notice?.worker} of generation ${generation} is in a crash loop`;
    case 'on_worker_stalled':
      return `worker ${notice?.worker} of generation ${generation} is hung`;
    case 'on_late_rollback':
      return `generation ${generation} was rolled back after its promotion, and generation ${incumbent} serves`;
    case 'on_recovery':
      return 'the supervisor was started again';
  }
}
