import type { RoutedCall } from '../core/call.ts';
import type { Cell } from '../core/cell.ts';
import type { Filter, Service } from '../core/filter.ts';
import type { Kit } from '../core/kit.ts';
import { type Policies, policyOf } from '../core/policy.ts';
import { type Reply, refusal, refuse } from '../core/reply.ts';
import type { Snapshot } from '../core/snapshot.ts';
import { Code, refused } from '../core/status.ts';
import { Room } from '../policies/room.ts';

/**
 * Lets so many calls to one service be in flight, so many wait for one of them to end, and refuses the others.
 *
 * Above   retry: so that a call holds one place, however often it is tried
 * Reads   policy.limit of the service whose instances are called, as the latest snapshot has it; life.outcome
 * Answers RESOURCE_EXHAUSTED to calls for which there is no room to wait
 * Counts  outrigger_limit_waits_total, outrigger_limit_waiting, outrigger_limit_refused_total
 * Keeps   how many calls to each service are in flight, and the queue of those that wait
 * Status  alpha
 *
 * A service that slows down would otherwise collect calls until we or it run out of memory, and answer all of them
 * too late. A call that waits spends its deadline. When a policy grants more room those that wait go at once; when
 * it grants less nothing is ended.
 */
export const admit = (kit: Kit, snapshots: Cell<Snapshot>): Filter<RoutedCall> => {
  const rooms = new Map<string, Room>();
  const limitOf = (policies: Policies, name: string) => policyOf(policies, name).all.limit;
  snapshots.listen(({ policies }) => {
    for (const [name, room] of rooms) {
      if (room.isEmpty) rooms.delete(name);
      else room.tune(limitOf(policies, name));
    }
  });
  const open = (name: string): Room => {
    const room = new Room(name, kit.meter, limitOf(snapshots.value.policies, name));
    rooms.set(name, room);
    return room;
  };
  return function admit(routed, next) {
    const { call, service } = routed;
    // All subsets of a service share its room, whatever a route calls them.
    const name = service.endpoints[0]?.service ?? service.name;
    const room = rooms.get(name) ?? open(name);
    if (room.hasPlace) {
      room.take(call.life);
      return next(routed);
    }
    if (!room.isFull) return wait(room, routed, next);
    kit.meter.count('outrigger_limit_refused_total', name).value++;
    return refusal(
      refused(
        Code.RESOURCE_EXHAUSTED,
        `too many calls to service '${name}' are in flight and waiting: ${room.limits} in the policy of '${name}'`,
      ),
    );
  };
};

const wait = async (room: Room, routed: RoutedCall, next: Service<RoutedCall>): Promise<Reply> => {
  const { life } = routed.call;
  // It may have been cancelled after its place was found and before it takes up again.
  const cancelled = (await room.wait(life)) ?? life.outcome;
  return cancelled === null ? next(routed) : refuse(cancelled);
};
