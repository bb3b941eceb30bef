import { LINUX } from './linux.ts';
import type { Platform } from './platform.ts';
import { PORTABLE } from './portable.ts';

/** The implementation for this system. `ZERODOWN_PLATFORM=portable` selects the portable one on Linux, for tests. */
export const platform: Platform =
  process.platform === 'linux' && process.env.ZERODOWN_PLATFORM !== 'portable' ? LINUX : PORTABLE;
