// The document: elements are made with text, never with HTML, so that nothing that was stored can become a part of the page.

/** `properties`: of the element; those of the form `data-…`, `aria-…`, `role` and `for` become attributes. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes('-') || name === 'role' || name === 'for') made.setAttribute(name, String(value));
    else made[name] = value;
  }
  made.append(...children);
  return made;
}

export function byId(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`no element ${id}`);
  return found;
}
