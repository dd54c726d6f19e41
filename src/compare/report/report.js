// A model that is chosen in any legend stands out in all pictures; chosen again, it does not.
const root = document.documentElement;
const show = (slot) => (slot === null ? delete root.dataset.only : (root.dataset.only = slot));
let chosen = null;
const buttons = [];
for (const item of document.querySelectorAll(".legend li")) {
  const slot = item.dataset.slot;
  const button = document.createElement("button");
  button.type = "button";
  button.append(...item.childNodes);
  item.append(button);
  buttons.push([slot, button]);
  button.addEventListener("click", () => {
    show((chosen = chosen === slot ? null : slot));
    press();
  });
  item.addEventListener("pointerenter", () => show(slot));
  item.addEventListener("pointerleave", () => show(chosen));
}
const press = () => buttons.forEach(([slot, button]) => button.setAttribute("aria-pressed", slot === chosen));
press();
// Closed tables would be missing on paper.
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((table) => (table.open = true)));
