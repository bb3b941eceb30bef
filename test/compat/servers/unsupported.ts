import type { Unsupported } from '../server.ts';

/** Servers that cannot use a listening socket from a descriptor. */
export const UNSUPPORTED: readonly Unsupported[] = [
  {
    title: 'Apache httpd 2.4',
    reason:
      'It opens the addresses of its `Listen` directives itself. mod_systemd only reports the state to systemd.',
    alternative:
      '`apachectl graceful` reloads its config. For a new binary, put nginx or haproxy under zero in front of it.',
  },
  {
    title: 'thin',
    reason: 'It opens its socket itself, with `SO_REUSEADDR`.',
    alternative: 'Run the same Rack application with puma or unicorn.',
  },
  {
    title: 'redis',
    reason: 'It opens its sockets itself. A second process must not use the data of the first one.',
    alternative: 'Promote a replica (`FAILOVER`, or Sentinel).',
  },
  {
    title: 'memcached',
    reason: 'It opens its sockets itself. The cache of the first process is lost with it.',
    alternative: '`memcached -e FILE` (restartable cache), or a second instance in the list of the clients.',
  },
  {
    title: 'dnsmasq',
    reason: 'It opens its sockets itself, also for DHCP and TFTP.',
    alternative: 'SIGHUP reloads hosts and leases. For DNS alone, run unbound under zero.',
  },
  {
    title: 'bun',
    reason: '`Bun.serve` and `node:http` of bun 1.4.5 ignore `fd` and open a socket of their own.',
    alternative: 'Run the program with Node or Deno.',
  },
  {
    title: 'caddy before 2.9',
    reason: 'It opens its sockets itself; version 2.9 has `bind fd/3`.',
    alternative: '`caddy reload` changes the config without a restart. From 2.9 on use `bind fd/3`.',
  },
  {
    title: 'serve (npm)',
    reason: 'It tests whether the port answers, and takes a random port because the port is in use.',
    alternative: 'Use http-server, or nginx.',
  },
];
