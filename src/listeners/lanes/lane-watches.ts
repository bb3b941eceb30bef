import { eventLoop, inSlices } from '../../common/slices.ts';
import { type Awaited, LaneWatch } from './lane-watch.ts';
import { hasOwnQueue, type Lanes, type LaneWithQueue } from './lanes.ts';

interface Request {
  readonly lane: number;
  readonly what: Awaited;
  /** Workers of other lanes accept: see hasOwnQueue(). */
  readonly isShared: boolean;
  readonly call: () => void;
  /** The watches of this lane, one per listener. */
  readonly active: Set<LaneWatch>;
}

/** The watches of every lane, updated as listeners and lanes come and go. */
export class LaneWatches {
  readonly #watches = new Map<Lanes, Map<number, LaneWatch>>();
  /** Requests by lane. */
  readonly #requests = new Map<number, Set<Request>>();
  #onHangup: ((lanes: Lanes, lane: number) => void) | null = null;

  /** Watches every lane for hangup from now on. */
  watchHangups(onHangup: ((lanes: Lanes, lane: number) => void) | null, all: Iterable<Lanes>): void {
    this.#onHangup = onHangup;
    for (const lanes of [...this.#watches.keys()]) this.drop(lanes);
    for (const lanes of all) this.sync(lanes);
  }

  /**
   * Calls back when a client's connection waits in the lane of a listener.
   * @param isShared workers of other lanes accept: see hasOwnQueue()
   */
  watchQueue(lane: number, onQueued: () => void, isShared: boolean, all: Iterable<Lanes>): { close(): void } {
    return this.#watch({ lane, what: 'queued', isShared, call: onQueued, active: new Set() }, all);
  }

  /**
   * Calls back when a connection has arrived in the lane of a listener, whether it waits or not. Also calls back when
   * one of the later listeners cannot be watched. With many listeners, the later ones are watched a little later, in
   * slices.
   */
  watchArrival(lane: number, onArrival: () => void, all: Iterable<Lanes>): { close(): void } {
    let isClosed = false;
    const call = () => {
      if (!isClosed) onArrival();
    };
    const request: Request = { lane, what: 'arrival', isShared: false, call, active: new Set() };
    this.#add(request);
    const end = () => {
      isClosed = true;
      this.#forget(request);
      const active = [...request.active];
      request.active.clear();
      inSlices(removeFrom(active, request), eventLoop, rethrow);
    };
    let isBegun = false;
    const watching = inSlices(this.#beginAll(request, all), eventLoop, (failure) => {
      if (failure === null) return;
      if (isBegun) call();
      else {
        end();
        rethrow(failure);
      }
    });
    isBegun = true;
    return {
      close: () => {
        watching.cancel();
        end();
      },
    };
  }

  *#beginAll(request: Request, all: Iterable<Lanes>): Generator<void, void, void> {
    for (const lanes of all) {
      this.#begin(request, lanes);
      yield;
    }
  }

  #watch(request: Request, all: Iterable<Lanes>): { close(): void } {
    this.#add(request);
    for (const lanes of all) this.#begin(request, lanes);
    return {
      close: () => {
        this.#forget(request);
        for (const watch of request.active) watch.remove(request);
        request.active.clear();
      },
    };
  }

  #add(request: Request): void {
    const { lane } = request;
    const ofLane = this.#requests.get(lane) ?? new Set();
    this.#requests.set(lane, ofLane.add(request));
  }

  #forget(request: Request): void {
    const { lane } = request;
    const ofLane = this.#requests.get(lane);
    ofLane?.delete(request);
    if (ofLane?.size === 0) this.#requests.delete(lane);
  }

  #begin({ lane }: Request, lanes: Lanes): void {
    const socket = lanes.sockets[lane];
    if (socket !== undefined) this.#sync(lanes, lane, socket);
  }

  /** Watches new sockets and sockets that replaced others. */
  sync(lanes: Lanes): void {
    for (const [lane, socket] of lanes.sockets.entries()) this.#sync(lanes, lane, socket);
  }

  /** Watches the sockets that `act` opens. */
  during<Result>(lanes: Lanes, act: () => Result): Result {
    const { revision } = lanes;
    const result = act();
    const isWatched = this.#watches.has(lanes) || (this.#onHangup === null && this.#requests.size === 0);
    if (lanes.revision !== revision || !isWatched) this.sync(lanes);
    return result;
  }

  /** Must be called before the sockets of a listener are closed. */
  drop(lanes: Lanes): void {
    for (const [lane, watch] of this.#watches.get(lanes) ?? []) this.#close(watch, lane);
    this.#watches.delete(lanes);
  }

  #sync(lanes: Lanes, lane: number, socket: LaneWithQueue): void {
    const requests = [...(this.#requests.get(lane) ?? [])].filter((request) => isMeant(request, lanes));
    if (requests.length === 0 && this.#onHangup === null) return;
    const { fd } = socket;
    // Unreachable: the queue can be counted but not watched.
    if (fd === null) return;
    const watched = this.#watches.get(lanes) ?? new Map<number, LaneWatch>();
    this.#watches.set(lanes, watched);
    const known = watched.get(lane);
    const isSame = known?.fd === fd;
    if (known !== undefined && !isSame) this.#close(known, lane);
    const onHangup = this.#onHangup === null ? null : this.#hungUp;
    const watch = known !== undefined && isSame ? known : new LaneWatch(fd, socket.queue, onHangup);
    watched.set(lane, watch);
    for (const request of requests) {
      if (request.active.has(watch)) continue;
      request.active.add(watch);
      watch.add(request.what, request);
    }
  }

  /** Returns whether the socket is still that of its lane, and listens again. */
  readonly #hungUp = (watch: LaneWatch): boolean => {
    for (const [lanes, watched] of this.#watches) {
      for (const [lane, other] of watched) {
        if (other !== watch) continue;
        this.#onHangup?.(lanes, lane);
        return lanes.sockets[lane]?.fd === watch.fd && watch.isListening;
      }
    }
    return false;
  };

  #close(watch: LaneWatch, lane: number): void {
    watch.close();
    for (const request of this.#requests.get(lane) ?? []) request.active.delete(watch);
  }
}

function* removeFrom(watches: readonly LaneWatch[], request: Request): Generator<void, void, void> {
  for (const watch of watches) {
    watch.remove(request);
    yield;
  }
}

function rethrow(failure: { readonly error: unknown } | null): void {
  if (failure !== null) throw failure.error;
}

function isMeant({ lane, what, isShared }: Request, lanes: Lanes): boolean {
  return what === 'arrival' || hasOwnQueue(lanes, lane, isShared);
}
