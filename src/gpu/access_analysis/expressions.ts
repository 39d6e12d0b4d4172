/** What expressions of WGSL are worth, and what they read and write: built by the parser, followed by a {@link Walk}. */

import { NotReadable } from "./tokens.ts";
import { BUILTINS, memberOf, negated, operated, structure, type Type, typed, type Value } from "./values.ts";
import type { Execute, Expression, Mask, Module, Place, Walk } from "./walk.ts";

export function literal(known: Value): Expression {
  return { value: (walk) => walk.alike(known) };
}

/** A variable, a constant, or a parameter. */
export function named(name: string): Expression {
  return {
    value(walk, mask) {
      const place = walk.memory(name);
      return place ? walk.load(place, mask) : walk.lookup(name);
    },
    place: (walk) => walk.memory(name),
    name,
  };
}

/** As one of a type, where there is one. */
export function asType(of: Expression, type: Type | undefined): Expression {
  return { value: (walk, mask) => of.value(walk, mask).map((one) => typed(one, type)) };
}

export function unary(sign: string, of: Expression): Expression {
  if (sign !== "&") return { value: (walk, mask) => of.value(walk, mask).map((one) => negated(sign, one)) };
  return {
    value(walk, mask) {
      if (of.place?.(walk, mask)) throw new NotReadable("a pointer to shared memory");
      if (of.name) walk.assign(of.name, walk.unknown(), mask); // whoever has the pointer may change it
      return walk.unknown();
    },
    ...(of.place && { place: of.place }),
  };
}

export function binary(sign: string, left: Expression, right: Expression): Expression {
  return {
    value(walk, mask) {
      const a = left.value(walk, mask);
      if (sign !== "&&" && sign !== "||") {
        const b = right.value(walk, mask);
        return a.map((one, k) => operated(sign, one, b[k]));
      }
      const ends = sign === "||";
      const wanted = walk.narrowed(mask, a, ends);
      const b = wanted ? right.value(walk, wanted) : walk.unknown();
      return a.map((one, k) => one === ends || b[k] === ends ? ends : one === undefined ? undefined : b[k]);
    },
  };
}

/** A part of a value, or of a place in memory, which is read there and not as a whole. */
function part(
  of: Expression,
  placeOf: (place: Place, walk: Walk, mask: Mask) => Place,
  value: (walk: Walk, mask: Mask) => Value[],
): Expression {
  const place = (walk: Walk, mask: Mask) => {
    const whole = of.place?.(walk, mask);
    return whole && placeOf(whole, walk, mask);
  };
  return {
    value(walk, mask) {
      const found = place(walk, mask);
      return found ? walk.load(found, mask) : value(walk, mask);
    },
    place,
    isPart: true,
    ...(of.name !== undefined && { name: of.name }),
  };
}

const fieldOf = (value: Value, name: string) => typeof value === "object" ? value[name] : undefined;

/** `of.name` */
export function member(of: Expression, name: string): Expression {
  return part(of, (place) => {
    const found = memberOf(place.type, name);
    if (!found) throw new NotReadable(`.${name}`);
    return { ...place, type: found.type, at: place.at.map((at) => at === undefined ? at : at + found.at) };
  }, (walk, mask) => of.value(walk, mask).map((one) => fieldOf(one, name)));
}

/** `of[index]` */
export function element(of: Expression, index: Expression): Expression {
  return part(of, (place, walk, mask) => {
    const { element, stride = 0 } = place.type;
    if (!element) throw new NotReadable(`an element of ${place.name}`);
    const indices = index.value(walk, mask);
    const at = place.at.map((at, k) => {
      const by = indices[k];
      return at === undefined || typeof by !== "number" ? undefined : at + by * stride;
    });
    return { ...place, type: element, at };
  }, (walk, mask) => {
    const indices = index.value(walk, mask);
    return of.value(walk, mask).map((one, k) => fieldOf(one, "xyzw"[Number(indices[k])] ?? ""));
  });
}

/** A function of the module or of WGSL, or what makes a value of a type. */
export function call(name: string, given: readonly Expression[], { routines, types }: Module): Expression {
  const [first, ...others] = given;
  if (name === "arrayLength") {
    return { value: (walk, mask) => walk.alike(walk.lengthOf(first?.place?.(walk, mask))) };
  }
  if (/^(workgroupUniformLoad|atomic\w+|textureLoad|textureStore)$/.test(name)) {
    return { value: (walk, mask) => accessed(name, first, others, walk, mask) };
  }
  return {
    value(walk, mask) {
      const values = given.map(({ value }) => value(walk, mask));
      const routine = routines.get(name);
      if (routine) {
        const { parameters, result } = routine;
        const given = parameters.map(({ type }, k) => (values[k] ?? []).map((one) => typed(one, type)));
        return walk.call(routine, given, mask).map((one) => typed(one, result));
      }
      const made = BUILTINS[name] ?? structure(types.get(name));
      return walk.unknown().map((_, k) => made?.(...values.map((lanes) => lanes[k])));
    },
  };
}

/** What reads or writes memory that it is given a pointer to, or a texture. */
function accessed(
  name: string,
  first: Expression | undefined,
  others: readonly Expression[],
  walk: Walk,
  mask: Mask,
): Value[] {
  for (const { value } of others) value(walk, mask);
  const found = first?.place?.(walk, mask);
  if (!found) throw new NotReadable(`${name} of what is not known`);
  const place = { ...found, atomic: name.startsWith("atomic") };
  if (name === "workgroupUniformLoad" || name === "atomicLoad") return walk.load(place, mask);
  if (name !== "textureStore") walk.access(place, "read", mask);
  if (name !== "textureLoad") walk.store(place, walk.unknown(), mask);
  return walk.unknown();
}

/** @param sign of what is done with the old value; "" where that does not matter. */
export function assignment(target: Expression, from: Expression, sign = ""): Execute {
  return (walk, mask) => {
    const values = from.value(walk, mask);
    const after = (before: () => readonly Value[]) => {
      if (sign === "") return values;
      const old = before();
      return values.map((one, k) => operated(sign, old[k], one));
    };
    const { name } = target;
    const place = target.place?.(walk, mask);
    if (place) walk.store(place, after(() => walk.load(place, mask)), mask);
    else if (name === undefined || target.isPart) {
      // Indices of a part are read, too; a part of a variable is not followed.
      target.value(walk, mask);
      if (name !== undefined) walk.assign(name, walk.unknown(), mask);
    } else walk.assign(name, after(() => walk.lookup(name)), mask);
  };
}
