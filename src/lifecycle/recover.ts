import type { Context } from './context.ts';
import type { Of } from './events.ts';

/** A supervisor continues from this state. */
export function onContinued(_context: Context, _event: Of<'continued'>): void {}
