import type { Feed } from '../http/follower.ts';
import type { EventLog } from './event-log.ts';
import { RequestError } from './request-body.ts';

/** Characters per write. */
const PORTION = 32 * 1024;
const FIELD = 'last_event_id';

/**
 * The events as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). The feed begins
 * with a lone `id`, so that a reader has a position before the first event. Events that were discarded before the
 * reader reached them are reported as a `gap`.
 * @param last the `id` of the reader's last event; undefined: from now on
 * @throws RequestError if it is not an id
 */
export function eventFeed(log: EventLog, last: string | undefined): Feed {
  let place = last === undefined ? log.newest : placeOf(log, last);
  let begun = false;

  const gapBefore = (first: number): string => {
    // The number of events of another supervisor is unknown.
    const missed = place === null ? null : first - place - 1;
    return missed === 0
      ? ''
      : `event: gap\nid: ${idOf(log, first - 1)}\ndata: ${JSON.stringify({ missed })}\n\n`;
  };

  return {
    next() {
      const events = log.after(place ?? 0, PORTION);
      const first = events[0]?.number ?? log.newest + 1;
      const parts = begun ? [] : [`id: ${idOf(log, place ?? 0)}\n\n`];
      begun = true;
      parts.push(gapBefore(first));
      for (const { number, text } of events) parts.push(`id: ${idOf(log, number)}\ndata: ${text}\n\n`);
      place = events.at(-1)?.number ?? first - 1;
      return parts.join('');
    },
    onMore: (run) => log.onAppend(run),
  };
}

function idOf({ epoch }: EventLog, number: number): string {
  return `${epoch}.${number}`;
}

/** The number in an id; null if the id belongs to another supervisor. */
function placeOf(log: EventLog, id: string): number | null {
  const [, epoch, digits] = /^([0-9a-z]{1,16}-[0-9a-z]{1,8})\.(\d{1,15})$/.exec(id) ?? [];
  if (epoch === undefined)
    throw new RequestError('bad_request', `${FIELD}: must be the id of an event`, FIELD);
  if (epoch !== log.epoch) return null;
  const number = Number(digits);
  if (number > log.newest) throw new RequestError('bad_request', `${FIELD}: no event has this id yet`, FIELD);
  return number;
}
