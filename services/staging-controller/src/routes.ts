/** Routes of the block stream, told as they change: first all of them in parts, then what is different. */
import type { Route, WatchRoutesResponse } from '@lms/proto';
import { pause } from '@lms/service';

const ROUTES_PER_MESSAGE = 500;
/** Below the hour that a stream may last. */
const STREAM_MILLISECONDS = 55 * 60_000;
/** Changes come in bursts; comparing ten thousand routes for each of them would cost more than a moment of waiting. */
const GATHER_MILLISECONDS = 100;

export async function* watchRoutes(
  routes: () => readonly Route[],
  onLook: (listener: () => void) => () => void,
  signal: AbortSignal,
): AsyncGenerator<WatchRoutesResponse> {
  const until = AbortSignal.any([signal, AbortSignal.timeout(STREAM_MILLISECONDS)]);
  let known = new Map<string, Route>();
  yield* inParts(routes(), (route) => known.set(route.machineId, route));
  while (!until.aborted) {
    await looked(onLook, until);
    if (!(await pause(GATHER_MILLISECONDS, until))) return;
    const now = new Map(routes().map((route) => [route.machineId, route]));
    const changed = [...now.values()].filter((route) => !isSame(known.get(route.machineId), route));
    const removedMachineIds = [...known.keys()].filter((machineId) => !now.has(machineId));
    known = now;
    if (removedMachineIds.length > 0) yield { routes: [], removedMachineIds, complete: true };
    if (changed.length > 0) yield* inParts(changed, () => undefined);
  }
}

/** The last part says that it is the last; without any route it is the only one. */
function* inParts(routes: readonly Route[], each: (route: Route) => void): Generator<WatchRoutesResponse> {
  for (let first = 0; first === 0 || first < routes.length; first += ROUTES_PER_MESSAGE) {
    const part = routes.slice(first, first + ROUTES_PER_MESSAGE);
    for (const route of part) each(route);
    yield { routes: part, removedMachineIds: [], complete: first + ROUTES_PER_MESSAGE >= routes.length };
  }
}

async function looked(onLook: (listener: () => void) => () => void, until: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const end = (): void => resolve();
  const forget = onLook(end);
  until.addEventListener('abort', end, { once: true });
  if (until.aborted) end();
  await promise;
  forget();
  until.removeEventListener('abort', end);
}

function isSame(before: Route | undefined, after: Route): boolean {
  return before?.host === after.host && before.port === after.port && before.address === after.address;
}
