import { lstatSync } from 'node:fs';
import type { ListenerConfig } from '../../config/schema.ts';
import type { SocketAddress } from '../../linux/sockaddr.ts';
import { closeFd, duplicateAbove, getOption, setOption } from '../../linux/sockets.ts';
import { LaneGroup } from '../lanes/lane-group.ts';
import { mayBeShared, wantsLanes } from '../lanes/steerable.ts';
import { setSeal } from '../lanes/tcp-lane.ts';
import { ListenerError, nameAddress } from '../listener-error.ts';
import { type BindOptions, type BoundListener, LanesListener, NOTHING } from './bound-listener.ts';
import { KeptName } from './kept-name.ts';
import { boundFileAt, type UnixFile } from './unix-file.ts';

/** The socket of a listener, taken from a running program. */
export interface TakenSocket {
  readonly config: ListenerConfig;
  /** The address that the socket is bound to. */
  readonly address: SocketAddress;
  readonly fd: number;
  readonly inode: number;
}

/** A listener on a taken socket. */
export interface AdoptedListener {
  readonly bound: BoundListener;
  /** Closes zero's sockets. The program keeps its own socket unchanged. */
  readonly abandon: () => void;
}

/**
 * Makes a listener of a socket that another program listens on. The descriptor belongs to the listener from then on. A
 * TCP listener gets lanes next to that socket. Where the kernel refuses them and the config has `steer: auto`, all
 * generations share the socket. Throws ListenerError: the socket is then unchanged and stays open.
 */
export function adoptListener(taken: TakenSocket, options: BindOptions): AdoptedListener {
  const { config, address, fd, inode } = taken;
  if (address.family === 'unix') return adoptUnix(taken, address.path, options);
  const ipv6Only = address.family === 'inet6' && getOption(fd, 'ipv6_only') === 1;
  const target = { address, ipv6Only };
  const shared = { ...NOTHING, fd, inode, address, target };
  if (!wantsLanes(config)) return { bound: shared, abandon: () => closeFd(fd) };
  const before = getOption(fd, 'reuse_port');
  // This duplicate is closed if the next steps fail.
  const lane = duplicateAbove(fd, 0);
  const plan = { main: [0], canary: null, preview: null };
  try {
    // The socket must be in the group before another socket joins (inet_reuseport_add_sock).
    setOption(fd, 'reuse_port', 1);
    const recovered = { target, lanes: [{ fd: lane, inode }], order: [0], plan, isAdopted: true };
    const lanes = LaneGroup.recover(config, recovered, options.own);
    setSeal(lane);
    closeFd(fd);
    const abandon = () => {
      setOption(lane, 'reuse_port', before);
      lanes.close();
    };
    return { bound: new LanesListener(lanes, address, target), abandon };
  } catch (error) {
    setOption(fd, 'reuse_port', before);
    if (!(error instanceof ListenerError) || !mayBeShared(config)) throw error;
    options.warn(
      `${error.message}. zero cannot put lanes next to the socket of the adopted program: all generations share it`,
    );
    return { bound: shared, abandon: () => closeFd(fd) };
  }
}

function adoptUnix(
  { config, address, fd, inode }: TakenSocket,
  path: string,
  options: BindOptions,
): AdoptedListener {
  if (wantsLanes(config)) {
    const message = `adopt ${nameAddress(config)}: the socket of a running program can only be shared by all generations. Remove "steer: true" from this listener`;
    throw new ListenerError(config.name, message);
  }
  const file = path.startsWith('@') ? null : unixFile(inode, path);
  const name = file && new KeptName(config, file, options);
  const bound = { ...NOTHING, fd, inode, address, file, name };
  const abandon = () => {
    name?.close();
    closeFd(fd);
  };
  return { bound, abandon };
}

/** The socket file as the program made it. */
function unixFile(inode: number, path: string): UnixFile | null {
  const file = boundFileAt(inode, [path], path);
  const found = lstatSync(path, { throwIfNoEntry: false });
  return file && found ? { ...file, uid: found.uid, gid: found.gid } : file;
}
