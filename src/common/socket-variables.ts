/*
 * The variables by which a process finds its inherited sockets. The supervisor sets them (src/workers/conventions), and
 * the library reads them (src/service/handed).
 */

/** The first descriptor of LISTEN_FDS: SD_LISTEN_FDS_START of sd_listen_fds(3). */
export const FIRST_LISTEN_FD = 3;

/** Variables that name sockets for the library to take over. */
const HANDED = /^(?:LISTEN_(?:PID|FDS|FDNAMES)|ZERO_LISTENERS|SERVER_STARTER_PORT|EINHORN_FD_(?:COUNT|\d+))$/;

/** Every variable of a convention for sockets, readiness and the watchdog. */
const CONVENTION =
  /^(?:(?:LISTEN_|SERVER_STARTER_|EINHORN_|ZERO_).*|NOTIFY_SOCKET|NGINX|FPM_SOCKETS|WATCHDOG_(?:PID|USEC)|FDSTORE|MAINPID)$/s;

/** Whether a variable names sockets for the library to take over. */
export function isHandedSocket(name: string): boolean {
  return HANDED.test(name);
}

/**
 * Whether a variable informs its process about sockets and readiness. A service must not inherit those of zero itself:
 * it would mistake closed descriptors for sockets, or report to the wrong manager.
 */
export function isConventionName(name: string): boolean {
  return CONVENTION.test(name);
}

/** The descriptors of LISTEN_FDS with their names in LISTEN_FDNAMES; `name` null: it has none. */
export function listenDescriptors(
  count: number,
  names: string | undefined,
): { readonly fd: number; readonly name: string | null }[] {
  const given = names?.split(':') ?? [];
  return Array.from({ length: count }, (_, index) => ({
    fd: FIRST_LISTEN_FD + index,
    name: given[index] || null,
  }));
}
