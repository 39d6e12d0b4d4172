/** WGSL expressions that the parser builds, and that an {@link Interpreter} evaluates. */

import { UnreadableKernelError } from "./tokens.ts";
import { applyBinary, applyUnary, BUILTINS, convertValue, findMember, makeStructure } from "./values.ts";
import type { WgslType, WgslValue } from "./values.ts";
import type {
  Expression,
  Interpreter,
  InvocationMask,
  MemoryReference,
  Statement,
  WgslModule,
} from "./interpreter.ts";

export function makeLiteral(known: WgslValue): Expression {
  return { value: (walk) => walk.broadcast(known) };
}

export function makeNameExpression(name: string): Expression {
  return {
    value(walk, mask) {
      const memory = walk.getReference(name);
      return memory ? walk.load(memory, mask) : walk.lookup(name);
    },
    reference: (walk) => walk.getReference(name),
    name,
  };
}

/** Returns an expression that converts the value of `of` to a type, or keeps it if the type is undefined. */
export function convertToType(of: Expression, type: WgslType | undefined): Expression {
  return { value: (walk, mask) => of.value(walk, mask).map((one) => convertValue(one, type)) };
}

export function makeUnary(sign: string, of: Expression): Expression {
  if (sign !== "&") {
    return { value: (walk, mask) => of.value(walk, mask).map((one) => applyUnary(sign, one)) };
  }
  return {
    value(walk, mask) {
      if (of.reference?.(walk, mask)) throw new UnreadableKernelError("a pointer to shared memory");
      if (of.name) walk.assign(of.name, walk.unknown(), mask); // the pointer may change the variable
      return walk.unknown();
    },
    ...(of.reference && { reference: of.reference }),
  };
}

export function makeBinary(sign: string, left: Expression, right: Expression): Expression {
  return {
    value(walk, mask) {
      const a = left.value(walk, mask);
      if (sign !== "&&" && sign !== "||") {
        const b = right.value(walk, mask);
        return a.map((one, k) => applyBinary(sign, one, b[k]));
      }
      const ends = sign === "||";
      const wanted = walk.narrow(mask, a, ends);
      const b = wanted ? right.value(walk, wanted) : walk.unknown();
      return a.map((one, k) => one === ends || b[k] === ends ? ends : one === undefined ? undefined : b[k]);
    },
  };
}

/** Makes an expression for a part of `of` (`of.name` or `of[index]`); loads no other part from memory. */
function makePart(
  of: Expression,
  select: (whole: MemoryReference, walk: Interpreter, mask: InvocationMask) => MemoryReference,
  value: (walk: Interpreter, mask: InvocationMask) => WgslValue[],
): Expression {
  const reference = (walk: Interpreter, mask: InvocationMask) => {
    const whole = of.reference?.(walk, mask);
    return whole && select(whole, walk, mask);
  };
  return {
    value(walk, mask) {
      const found = reference(walk, mask);
      return found ? walk.load(found, mask) : value(walk, mask);
    },
    reference,
    isPart: true,
    ...(of.name !== undefined && { name: of.name }),
  };
}

const getField = (value: WgslValue, name: string) => typeof value === "object" ? value[name] : undefined;

export function makeMember(of: Expression, name: string): Expression {
  return makePart(of, (memory) => {
    const found = findMember(memory.type, name);
    if (!found) throw new UnreadableKernelError(`.${name}`);
    return { ...memory, type: found.type, at: memory.at.map((at) => at === undefined ? at : at + found.at) };
  }, (walk, mask) => of.value(walk, mask).map((one) => getField(one, name)));
}

export function makeElement(of: Expression, index: Expression): Expression {
  return makePart(of, (memory, walk, mask) => {
    const { element, stride = 0 } = memory.type;
    if (!element) throw new UnreadableKernelError(`an element of ${memory.name}`);
    const indices = index.value(walk, mask);
    const at = memory.at.map((at, k) => {
      const by = indices[k];
      return at === undefined || typeof by !== "number" ? undefined : at + by * stride;
    });
    return { ...memory, type: element, at };
  }, (walk, mask) => {
    const indices = index.value(walk, mask);
    return of.value(walk, mask).map((one, k) => getField(one, "xyzw"[Number(indices[k])] ?? ""));
  });
}

/** Makes a call of a function of the module, of a builtin function, or of a type's constructor. */
export function makeCall(
  name: string,
  args: readonly Expression[],
  { routines, types }: WgslModule,
): Expression {
  const [first, ...others] = args;
  if (name === "arrayLength") {
    return { value: (walk, mask) => walk.broadcast(walk.getArrayLength(first?.reference?.(walk, mask))) };
  }
  if (/^(workgroupUniformLoad|atomic\w+|textureLoad|textureStore)$/.test(name)) {
    return { value: (walk, mask) => accessMemory(name, first, others, walk, mask) };
  }
  return {
    value(walk, mask) {
      const values = args.map(({ value }) => value(walk, mask));
      const routine = routines.get(name);
      if (routine) {
        const { parameters, result } = routine;
        const converted = parameters.map(({ type }, k) =>
          (values[k] ?? []).map((one) => convertValue(one, type))
        );
        return walk.call(routine, converted, mask).map((one) => convertValue(one, result));
      }
      const build = BUILTINS[name] ?? makeStructure(types.get(name));
      return walk.unknown().map((_, k) => build?.(...values.map((lanes) => lanes[k])));
    },
  };
}

/** Evaluates a builtin function that reads or writes memory through a pointer or a texture. */
function accessMemory(
  name: string,
  first: Expression | undefined,
  others: readonly Expression[],
  walk: Interpreter,
  mask: InvocationMask,
): WgslValue[] {
  for (const { value } of others) value(walk, mask);
  const found = first?.reference?.(walk, mask);
  if (!found) throw new UnreadableKernelError(`${name} of unknown memory`);
  const memory = { ...found, atomic: name.startsWith("atomic") };
  if (name === "workgroupUniformLoad" || name === "atomicLoad") return walk.load(memory, mask);
  if (name !== "textureStore") walk.access(memory, "read", mask);
  if (name !== "textureLoad") walk.store(memory, walk.unknown(), mask);
  return walk.unknown();
}

/** Makes an assignment. @param sign - operator of a compound assignment: "+" for `+=`; otherwise "" */
export function makeAssignment(target: Expression, from: Expression, sign = ""): Statement {
  return (walk, mask) => {
    const values = from.value(walk, mask);
    const after = (before: () => readonly WgslValue[]) => {
      if (sign === "") return values;
      const old = before();
      return values.map((one, k) => applyBinary(sign, old[k], one));
    };
    const { name } = target;
    const memory = target.reference?.(walk, mask);
    if (memory) walk.store(memory, after(() => walk.load(memory, mask)), mask);
    else if (name === undefined || target.isPart) {
      // `value` evaluates the part's indices. After the assignment, the variable's value is unknown.
      target.value(walk, mask);
      if (name !== undefined) walk.assign(name, walk.unknown(), mask);
    } else walk.assign(name, after(() => walk.lookup(name)), mask);
  };
}
