import { type Parsed, quoted } from '../../common/text.ts';

/** How many workers a generation has; `auto` is one per core of the machine that zero runs on. */
export type Workers = number | 'auto';

/** Each worker has a lane in every generation that is alive, and a steering program has room for so many. */
const MOST = 256;

export function parseWorkers(text: string): Parsed<Workers> {
  if (text === 'auto') return { value: text };
  if (!/^\d+$/.test(text)) return { problem: `must be a whole number or auto, not ${quoted(text)}` };
  const value = Number(text);
  if (value < 1) return { problem: `${text} is too small: at least 1` };
  return value <= MOST ? { value } : { problem: `${text} is too large: at most ${MOST}` };
}
