const NAMES = new Set([
  'NOTIFY_SOCKET',
  'NGINX',
  'FPM_SOCKETS',
  'WATCHDOG_PID',
  'WATCHDOG_USEC',
  'FDSTORE',
  'MAINPID',
]);
const PREFIXES = ['LISTEN_', 'SERVER_STARTER_', 'EINHORN_', 'ZERO_'];

/**
 * True for a variable that tells its process about sockets and readiness. What zero itself was started with of these (by systemd, or by
 * another zero) is about zero: a service that believed it would take closed descriptors for sockets or answer to the wrong manager.
 */
export function isConventionName(name: string): boolean {
  return NAMES.has(name) || PREFIXES.some((prefix) => name.startsWith(prefix));
}
