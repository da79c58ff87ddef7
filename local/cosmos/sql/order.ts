/** Equality and order of values: undefined < null < false < true < number < string < array < object. */
import { isJsonObject, type JsonValue, type Value } from '../json-value.ts';

/** The place of a value's type in the order. */
function rank(value: Value): number {
  if (value === undefined) return 0;
  if (value === null) return 1;
  if (typeof value === 'boolean') return 2;
  if (typeof value === 'number') return 3;
  if (typeof value === 'string') return 4;
  return Array.isArray(value) ? 5 : 6;
}

/** True for values of the same type. */
export function sameType(left: Value, right: Value): boolean {
  return rank(left) === rank(right);
}

/** True for a value that can be ordered within its type. */
export function isScalar(value: Value): value is null | boolean | number | string {
  return value !== undefined && (value === null || typeof value !== 'object');
}

/** Orders strings by code point, as their UTF-8 bytes are ordered. */
export function compareStrings(left: string, right: string): number {
  const length = Math.min(left.length, right.length);
  for (let index = 0; index < length; index++) {
    const a = left.charCodeAt(index);
    const b = right.charCodeAt(index);
    // A surrogate belongs to a code point above every other 16 bit unit.
    if (a !== b) return isSurrogate(a) === isSurrogate(b) ? a - b : isSurrogate(a) ? 1 : -1;
  }
  return left.length - right.length;
}

function isSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdfff;
}

/** Total order over all values; arrays and objects are equal among themselves. */
export function compareValues(left: Value, right: Value): number {
  const types = rank(left) - rank(right);
  if (types !== 0) return types;
  if (typeof left === 'string' && typeof right === 'string') return compareStrings(left, right);
  if (
    (typeof left === 'number' && typeof right === 'number') ||
    (typeof left === 'boolean' && typeof right === 'boolean')
  )
    return left === right ? 0 : left < right ? -1 : 1;
  return 0;
}

/** Deep equality; the order of an object's properties does not matter. */
export function equalValues(left: Value, right: Value): boolean {
  if (left === right) return true;
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return false;
  if (Array.isArray(left) || Array.isArray(right))
    return (
      Array.isArray(left) &&
      Array.isArray(right) &&
      left.length === right.length &&
      left.every((item, index) => equalValues(item, right[index]))
    );
  const names = Object.keys(left);
  return (
    names.length === Object.keys(right).length &&
    names.every((name) => Object.hasOwn(right, name) && equalValues(left[name], right[name]))
  );
}

/** A text that equal values share and different ones do not: the key of DISTINCT and GROUP BY. */
export function canonicalText(value: Value): string {
  if (value === undefined) return '';
  return JSON.stringify(sorted(value));
}

function sorted(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isJsonObject(value)) return value === 0 ? 0 : value;
  // Pairs, not an object: an object would put names that look like numbers first, and lose "__proto__".
  return [
    {},
    ...Object.keys(value)
      .toSorted()
      .map((name) => [name, sorted(value[name] ?? null)]),
  ];
}
