import { type Parsed, quoted } from '../../common/text.ts';

/** Whether a listener is steered: `auto` leaves it to what the address allows. */
export type Steer = 'auto' | boolean;

export function parseSteer(text: string): Parsed<Steer> {
  if (text === 'auto') return { value: text };
  if (text === 'true' || text === 'false') return { value: text === 'true' };
  return { problem: `must be auto, true or false, not ${quoted(text)}` };
}
