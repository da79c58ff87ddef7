import { badRequest } from './service-error.ts';

/**
 * A whole number of the query, if it is there.
 * @throws ServiceError 400 when it is not one, or outside its bounds
 */
export function wholeNumber(query: URLSearchParams, name: string, min: number, max: number): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  if (!(value >= min && value <= max)) {
    throw badRequest(name, `${name} must be a whole number from ${min} to ${max}, not '${text}'.`);
  }
  return value;
}
