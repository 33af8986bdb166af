// Faults of addresses and names, and of the proxy on the way.

import * as faults from './faults.ts';
import { testEach, useWorld } from './one-fault.ts';

const world = useWorld();

testEach(world, [
  faults.NAME_NOT_KNOWN,
  faults.NAME_OF_ANOTHER,
  faults.PRIVATE_ADDRESS_FROM_OUTSIDE,
  faults.PROXY_NEEDS_AUTHENTICATION,
  faults.ADDRESS_CHANGED,
]);
