"""A merged ensemble as one TensorFlow graph: faces in, points and radii out, for `specialists.export`.

Does what `Ensemble.predict` does by NumPy, OpenCV and one network after the other. Specialists whose answer cannot
change what comes out, under the chosen convention, are left out.
"""

import numpy as np
import tensorflow as tf

from base_models.settings import NetworkSettings, with_overrides
from base_models.stacked import stacks
from base_models.weights import get_weights
from specialists.merged_views import cut, neighbours, turns

OTHER = 2  # of the radius's slopes: that of the distance between bases and specialists


class Merged:
    """The graph of an ensemble.

    Args:
        ensemble: `Ensemble`.
        convention: index of the schema's convention that the points follow.
        together: put networks of one build side by side.
    """

    def __init__(self, ensemble, convention, together=True):
        self.ensemble, self.schema = ensemble, ensemble.base.schema
        height, width, self.channels = ensemble.base.part.settings()["shape"]
        self.size, self.picked = (height, width), self.schema.slots[convention]
        self.needed = set(self.picked[self._matters()[self.picked]])
        self.bases = [_Bases(team, together) for team in ensemble.teams]
        self.specialists = [
            _Specialists(team, self.schema, self.needed, ensemble.flip, together) for team in ensemble.teams
        ]

    def _matters(self):
        """bool [slots]: where a specialist's answer counts for the point or its radius."""
        return (self.ensemble.merge.weight > 0) | (self.ensemble.radius.slope[OTHER] > 0)

    def function(self):
        """A tf.function from images uint8 [n, H, W, C] to {"points": float32 [n, k, 2], "radii": float32 [n, levels,
        k]}, px."""
        signature = tf.TensorSpec((None, *self.size, self.channels), tf.uint8, name="images")

        @tf.function(input_signature=[signature])
        def merged(images):
            points, radii = self(tf.cast(images, tf.float32))
            return {"points": tf.identity(points, "points"), "radii": tf.identity(radii, "radii")}

        return merged

    def __call__(self, images):
        """(points, radii) of float32 images, as `function` gives them."""
        flip, reach = self.ensemble.flip, self.ensemble.merge.reach
        seen = tf.concat([images, tf.reverse(images, [2])], 0) if flip else images
        table, looks = neighbours(seen), [bases(seen) for bases in self.bases]
        looks = [_paired(look, self._mirrored) if flip else (look, look) for look in looks]
        voices = [voice for plain, other in looks for both in (plain, other) for voice in tf.unstack(both, axis=1)]
        edge = np.array(self.size[::-1], np.float32)
        shapes = tf.clip_by_value(agreed(voices, reach), 0, edge)
        answer, known = self._closer(table, looks)
        answer = tf.clip_by_value(answer, 0, edge)
        step = (answer - shapes) * known
        weight = self.ensemble.merge.weight.astype(np.float32)[:, None]
        points = shapes + weight * step * tf.minimum(1.0, reach / tf.maximum(_length(step), 1e-9))
        radii = self._radii(looks, shapes, _length(step)[..., 0])
        return tf.gather(points, self.picked, axis=1), tf.gather(radii, self.picked, axis=2)

    def _mirrored(self, positions):
        """Positions [n, ..., slots, 2] as the mirrored face has them, and back."""
        turned = tf.gather(positions, self.schema.slot_mirror, axis=-2)
        return tf.stack([self.size[1] - 1 - turned[..., 0], turned[..., 1]], -1)

    def _closer(self, table, looks):
        """(what the specialists agree on [n, slots, 2], float32 [slots, 1]: where there are any)."""
        answers, known = [], []
        for specialists, (plain, other) in zip(self.specialists, looks, strict=True):
            shapes = agreed(tf.unstack(plain, axis=1) + tf.unstack(other, axis=1), self.ensemble.merge.reach)
            if specialists.members:
                both = tf.concat([shapes, self._mirrored(shapes)], 0) if self.ensemble.flip else shapes
                answers.append(specialists(table, both, self.size, self.channels, self._mirrored))
                known.append(specialists.known)
        if not answers:
            return tf.zeros_like(shapes), np.zeros((len(self.schema.slot_names), 1), np.float32)
        return agreed(answers, self.ensemble.merge.reach, np.stack(known)), np.any(known, 0)[:, None].astype(np.float32)

    def _radii(self, looks, shapes, other):
        """float32 [n, levels, slots]: as `members._disagreement` and `Radius`."""
        plain, mirrored = (tf.concat([look[side] for look in looks], 1) for side in (0, 1))
        own = tf.reduce_mean(_length(plain - mirrored)[..., 0], 1)
        spread = tf.reduce_mean(_length((plain + mirrored) / 2 - shapes[:, None])[..., 0], 1)
        whole = tf.reduce_mean(own, 1, keepdims=True)
        radius = self.ensemble.radius
        slope = radius.slope.astype(np.float32)
        expected = (radius.typical * radius.slope[0]).astype(np.float32)
        expected += slope[1] * own + slope[2] * other + slope[3] * whole + slope[4] * spread
        return radius.factors.astype(np.float32)[:, None] * tf.maximum(expected, 0.05)[:, None]


def _length(steps):
    return tf.sqrt(tf.reduce_sum(steps * steps, -1, keepdims=True))


def _paired(look, mirrored):
    """(what is said of the faces, what of their mirror images, turned back) of both, one after the other."""
    plain, other = tf.split(look, 2)
    return plain, mirrored(other)


def agreed(opinions, reach, known=None):
    """As `members.agreed`.

    Args:
        opinions: list of tensors [n, slots, 2] px.
        reach: px.
        known: bool [opinions, slots]: which there are; None = all.

    Returns:
        [n, slots, 2] px; where there is no opinion, anything.
    """
    if len(opinions) == 1:
        return opinions[0]
    stacked = tf.stack(opinions)
    known = np.ones((len(opinions), stacked.shape[2]), bool) if known is None else known
    middle = _median(stacked, known)
    step = stacked - middle
    step *= tf.minimum(1.0, reach / tf.maximum(_length(step), 1e-9))
    count = np.maximum(known.sum(0), 1)
    return middle + tf.reduce_sum(step * (known / count).astype(np.float32)[:, None, :, None], 0)


def _median(opinions, known):
    """Over the first axis of [m, n, slots, 2], of what is known of each slot."""
    if known.all() and len(known) == 2:
        return (opinions[0] + opinions[1]) / 2
    far = np.where(known, 0, 1e6).astype(np.float32)[:, None, :, None]  # what is unknown comes last
    order = tf.sort(tf.transpose(opinions + far, [1, 2, 3, 0]), axis=-1)
    count = np.maximum(known.sum(0), 1)
    share = np.zeros((known.shape[1], 1, len(known)), np.float32)
    for slot, many in enumerate(count):
        for place in ((many - 1) // 2, many // 2):
            share[slot, 0, place] += 0.5
    return tf.reduce_sum(order * share, -1)


class _Bases:
    """A team's bases: what they say of faces, float32 [n, bases, slots, 2] px."""

    def __init__(self, team, together):
        members = [_network(base) for base in team.bases.values()]
        self.stacks, self.count = stacks(members, together), len(members)

    def __call__(self, images):
        found = [None] * self.count
        for indices, stack in self.stacks:
            answers = tf.unstack(stack(images, common=True), axis=1)
            for index, answer in zip(indices, answers, strict=True):
                found[index] = answer
        return tf.stack(found, 1)


def _network(base):
    """(arguments of `build_network`, weights) of a base, for `stacks`."""
    made = base.part.settings()
    network = with_overrides(NetworkSettings(), made["network"], str(base.part.folder))
    build = (network, len(base.schema.slot_names), tuple(made["shape"]), "float32", 0, made["train"]["loss"])
    return build, get_weights(base.model)


class _Specialists:
    """A team's specialists that count.

    Args:
        team: `Team`.
        schema: `Schema`.
        needed: set of the slots that their answer is asked for.
        flip: ask about the mirrored faces too.
        together: put networks of one build side by side.
    """

    def __init__(self, team, schema, needed, flip, together):
        self.mirror, self.flip = schema.slot_mirror, flip
        own, other = self._sources(team, needed)
        used = {source[0] for source in (*own, *other) if source}
        self.members = [s for s in team.specialists.values() if s.point in used]
        self.own, self.other = (self._places(sources) for sources in (own, other))
        self.known = np.array([any(pair) for pair in zip(own, other, strict=True)])
        self.stacks = stacks([_specialist_network(s) for s in self.members], together)

    def _sources(self, team, needed):
        """Per slot, (point, place among its slots) of who answers on the face, and on its mirror image; None = nobody.
        As in `members`, a later specialist has the last word."""
        own, other = [None] * len(self.mirror), [None] * len(self.mirror)
        for specialist in team.specialists.values():
            for place, slot in enumerate(specialist.view.slots):
                own[slot] = (specialist.point, place) if slot in needed else None
                partner = self.mirror[slot]
                other[partner] = (specialist.point, place) if self.flip and partner in needed else None
        return own, other

    def _places(self, sources):
        """int [slots]: where each slot's answer lies among all that the members say; -1 = nowhere."""
        starts = np.cumsum([0, *(len(s.view.slots) for s in self.members)])
        first = {s.point: start for s, start in zip(self.members, starts, strict=False)}
        return np.array([-1 if source is None else first[source[0]] + source[1] for source in sources])

    def __call__(self, table, shapes, size, channels, mirrored):
        """[n, slots, 2] px of faces, from the answer of the bases on them and, with flips, on their mirror images,
        one after the other: [n or 2 n, slots, 2]."""
        found = [None] * len(self.members)
        for indices, stack in self.stacks:
            turn = turns(shapes, [self.members[i].view for i in indices], size)
            answers = turn.to_image(stack(cut(table, size, channels, turn), common=False))
            for index, answer in zip(indices, tf.unstack(answers, axis=1), strict=True):
                found[index] = answer
        found = tf.concat(found, 1)
        if not self.flip:
            return tf.gather(found, np.maximum(self.own, 0), axis=1)
        return self._both(*tf.split(found, 2), mirrored)

    def _both(self, plain, turned, mirrored):
        """The mean of the answers on the face and on its mirror image, or whichever there is."""
        shares = np.array([self.own >= 0, self.other >= 0], np.float32)
        shares /= np.maximum(shares.sum(0), 1)
        own = tf.gather(plain, np.maximum(self.own, 0), axis=1)
        # `mirrored` swaps the slots: those of the mirror image come from where their partner's answer is put.
        other = mirrored(tf.gather(turned, np.maximum(self.other[self.mirror], 0), axis=1))
        return own * shares[0][:, None] + other * shares[1][:, None]


def _specialist_network(specialist):
    """(arguments of `build_network`, weights) of a specialist, for `stacks`."""
    network, train, slots, shape, _, _ = specialist.network
    return (network, slots, shape, "float32", 0, train.loss), specialist.weights
