import { kernelSetting } from './procfs.ts';

/** TCP_RTO_MAX (include/net/tcp.h): the maximum time between two answers. All times here are seconds. */
const MAX_PAUSE = 120;
/** The kernel's default, used if the setting is hidden. */
const DEFAULT_RETRIES = 5;
/** A client's last packet may be on its way. */
const SLACK = 2;

/**
 * tcp_synack_retries (tcp(7)): how often the kernel repeats its answer to a client's first packet before it gives up.
 */
export function synAckRetries(): number {
  const text = kernelSetting('net.ipv4.tcp_synack_retries') ?? '';
  return /^\d+$/.test(text) ? Number(text) : DEFAULT_RETRIES;
}

/**
 * Maximum time for a handshake that the kernel has answered, in milliseconds. The kernel repeats its answer after 1, 2,
 * 4 seconds and so on (reqsk_timer_handler, net/ipv4/inet_connection_sock.c), `retries` times. For a connection that
 * waits for its first data, it continues for at least `deferSeconds` (TCP_DEFER_ACCEPT; syn_ack_recalc in the same
 * file).
 */
export function handshakeTime(retries: number, deferSeconds: number): number {
  let seconds = 0;
  for (let answers = 0; answers <= retries || seconds < deferSeconds; answers += 1) {
    seconds += Math.min(2 ** answers, MAX_PAUSE);
  }
  return (seconds + SLACK) * 1_000;
}
