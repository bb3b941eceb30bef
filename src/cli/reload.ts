import { parseLabel } from '../control/label.ts';
import { CommandError, EXIT } from './exit-code.ts';
import type { InstanceOptions } from './find-instance.ts';
import { followHandover, timeoutOf } from './follow-handover.ts';
import { type CommandContext, processContext, withInstance } from './with-instance.ts';

export interface ReloadOptions extends InstanceOptions {
  readonly preview: boolean;
  readonly replace: boolean;
  /** As written. */
  readonly timeout?: string;
  /** As written: the name of the release. */
  readonly label?: string;
  readonly wait: boolean;
  readonly json: boolean;
}

/** `zero reload`: requests a handover and waits for its result. Resolves to the exit code. */
export function reload(options: ReloadOptions, context: CommandContext = processContext()): Promise<number> {
  const { preview, replace, timeout, label, wait, json, ...instance } = options;
  const request = () => ({ preview, replace, timeout_ms: timeoutOf(timeout), wait, ...labelOf(label) });
  const target = { command: 'reload', instance, guess: true, json, check: request };
  return withInstance(target, context, (client) =>
    followHandover(client, (signal) => client.reload(request(), signal), { wait, json, instance }, context),
  );
}

/**
 * The field of `--label` in a request. Omitted without the option, because an older supervisor does not know the field.
 */
function labelOf(text: string | undefined): { label?: string } {
  if (text === undefined) return {};
  const parsed = parseLabel(text);
  if ('problem' in parsed) throw new CommandError(EXIT.usage, `--label ${parsed.problem}`);
  return parsed;
}
