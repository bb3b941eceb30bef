import { safeJson } from '../common/text.ts';
import { factDocument } from '../facts/documents.ts';
import type { Fact } from '../lifecycle/facts.ts';
import { levelOf } from './level.ts';
import { messageOf } from './message.ts';

/**
 * One JSON document in one line, without its newline: `time` (RFC 3339, UTC), `level`, `event`, `message`, then the fields of the fact in
 * snake_case; durations end in `_ms`. `at` is epoch milliseconds.
 */
export function jsonLine(at: number, fact: Fact): string {
  const { event, ...fields } = factDocument(fact);
  const head = { time: new Date(at).toISOString(), level: levelOf(fact), event, message: messageOf(fact) };
  return safeJson({ ...head, ...fields });
}
