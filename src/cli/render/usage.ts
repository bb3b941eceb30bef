import { bytes, percent } from '../../common/amounts.ts';
import type { UsageDocument } from '../../control/protocol.ts';
import { duration } from './style.ts';

/** What all workers use together, in one line. */
export function usageLine({ cpu_percent, cpu_seconds, memory_bytes, interval_ms }: UsageDocument): string {
  const total = `${duration(cpu_seconds * 1000)} in total`;
  const cpu = `CPU ${percent(cpu_percent)} over the last ${duration(interval_ms)} (${total})`;
  return `${cpu}, memory ${bytes(memory_bytes)}`;
}
