import { readFileSync } from 'node:fs';

/** TCP_RTO_MAX (include/net/tcp.h): no two answers are further apart. Seconds, as all of this. */
const MAX_PAUSE = 120;
/** The kernel's default, where the setting is hidden. */
const DEFAULT_RETRIES = 5;
/** A client's last word may be on its way. */
const SLACK = 2;

/** tcp_synack_retries (tcp(7)): how often the kernel answers a client's first packet again before it gives the connection up. */
export function synAckRetries(): number {
  try {
    const text = readFileSync('/proc/sys/net/ipv4/tcp_synack_retries', 'latin1').trim();
    return /^\d+$/.test(text) ? Number(text) : DEFAULT_RETRIES;
  } catch {
    // A sandbox that hides it.
    return DEFAULT_RETRIES;
  }
}

/**
 * How long a handshake can take that the kernel has answered, in milliseconds: it answers again after 1, 2, 4 seconds and so on
 * (reqsk_timer_handler, net/ipv4/inet_connection_sock.c), until it has done so `retries` times and, of a connection that waits for its
 * first bytes, for `deferSeconds` (TCP_DEFER_ACCEPT; syn_ack_recalc there).
 */
export function handshakeTime(retries: number, deferSeconds: number): number {
  let seconds = 0;
  for (let answers = 0; answers <= retries || seconds < deferSeconds; answers += 1) {
    seconds += Math.min(2 ** answers, MAX_PAUSE);
  }
  return (seconds + SLACK) * 1_000;
}
