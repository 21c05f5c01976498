"""Identities of EM as numbers, on Old Faithful; prints what notes/em-as-gradient.md quotes."""

import jax

jax.config.update("jax_enable_x64", True)

import jaxmix as jm  # noqa: E402

NAMES = ("fisher", "louis", "oakes", "em_preconditioner", "mirror_descent", "natural_gradient")
STEPS = (1, 3, 6)


def main() -> None:
    waiting = jm.data.load("faithful").x[:, 1]
    start = jm.gaussian_mixture([0.5, 0.5], [[55.0], [80.0]], [[25.0]], family="tied")
    for name in (*NAMES, "responsibilities_gradient"):
        difference = getattr(jm.inference, name)(start, waiting).difference
        print(f"{name:<26} equal to 1e-12: {difference <= 1e-12}")
    new = jm.inference.em_preconditioner(start, waiting, mean="new")
    print(f"covariances about the new means: {new.difference:.2f} of the step")
    path = jm.fit(waiting, start, stop=jm.Stop(max_steps=max(STEPS)), record=STEPS).path
    for row, steps in enumerate(STEPS):
        mixture = jax.tree.map(lambda leaf, row=row: leaf[row], path)
        sides = jm.inference.gap_metric(mixture, waiting)
        ratio = float(sides.right / sides.left)
        print(f"after {steps} steps, half the squared gradient is {ratio:.4f} gaps")


if __name__ == "__main__":
    main()
