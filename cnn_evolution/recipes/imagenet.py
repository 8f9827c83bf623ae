"""The published recipe of every network in the catalogue, for ImageNet, or for CIFAR-10 if the network was made for it.

Sources: the papers, and where they are silent the authors' code. Where a paper lowers the learning rate by hand when
the error stalls, the epochs stated here are a plausible replay of that; each entry says so. Entries also say what a
paper does not state and what was put in its place.

Deviations: a batch of asynchronous training is one worker's, since each worker's gradient was a step of its own. Colour
jitter (the Torch ResNets), colour distortion (Google's networks), AutoAugment (EfficientNet), RandAugment and random
erasing (ConvNeXt) are left out. Networks drop paths as the catalogue builds them: EfficientNet and ConvNeXt as
published, NASNet and PNASNet not.
"""

from dataclasses import replace

from cnn_evolution.recipes.config import (
    AdamW,
    AugmentConfig,
    DataConfig,
    ModelConfig,
    Recipe,
    RmsProp,
    ScheduleConfig,
    Sgd,
)

_SGD = Sgd(learning_rate=0.01, momentum=0.9, weight_decay=5e-4, decay_on="all")

# The papers up to 2014 and SqueezeNet's subtract the mean from pixels of 0 to 255, and their initialisation counts on
# it.
_CENTRED = DataConfig(pixels="centred")

# Krizhevsky et al. 2012, section 5: batch 128, about 90 epochs, /10 three times by hand; the epochs are evenly spread.
# Colour noise: section 4.1. The loss decays all parameters alike.
_ALEXNET = Recipe(
    model=ModelConfig(name="alexnet"),
    data=_CENTRED,
    augment=AugmentConfig(crop="fixed_scale", resize=256, pca_noise=0.1),
    optimizer=_SGD,
    schedule=ScheduleConfig(name="step", boundaries=(25.0, 50.0, 75.0)),
    epochs=90,
    batch_size=128,
)

# Zeiler & Fergus 2014, section 3: batch 128, 70 epochs, rate lowered by hand. The paper uses ten fixed crops, which the
# random crop contains; weight decay is not stated, AlexNet's is used.
_ZFNET = replace(
    _ALEXNET,
    augment=AugmentConfig(crop="fixed_scale", resize=256),
    schedule=ScheduleConfig(name="step", boundaries=(25.0, 45.0, 60.0)),
    epochs=70,
)

# Simonyan & Zisserman 2015, section 3.1: batch 256, 74 epochs, /10 three times by hand, scale jitter [256, 512].
_VGG = replace(
    _ALEXNET,
    augment=AugmentConfig(crop="scale_jitter", resize=256, resize_high=512, pca_noise=0.1),
    schedule=ScheduleConfig(name="step", boundaries=(25.0, 50.0, 65.0)),
    epochs=74,
    batch_size=256,
)

# In no paper; with batch normalisation the scale of the pixels does not matter.
_VGG_BN = replace(_VGG, data=DataConfig())

# Szegedy et al. 2015, section 6: momentum 0.9, rate x 0.96 every 8 epochs, moving average of the weights, auxiliary
# losses at 0.3. Batch, rate, decay and length are not stated; batch and rate are those of the Caffe replica.
_GOOGLENET = Recipe(
    model=ModelConfig(name="googlenet"),
    data=_CENTRED,
    augment=AugmentConfig(crop="inception"),
    optimizer=replace(_SGD, weight_decay=2e-4),
    schedule=ScheduleConfig(name="exponential", factor=0.96, every_epochs=8.0),
    epochs=250,
    batch_size=32,
    ema_decay=0.9999,
)

# Ioffe & Szegedy 2015, section 4.2: batch normalisation allows a larger rate that falls faster and less weight decay.
# Their numbers are for asynchronous training of another network (the next); this is the recipe of ResNet below.
_GOOGLENET_BN = Recipe(
    model=ModelConfig(name="googlenet_bn"),
    augment=AugmentConfig(crop="inception"),
    schedule=ScheduleConfig(name="step", boundaries=(30.0, 60.0)),
    epochs=90,
)

# Ioffe & Szegedy 2015, section 4.2, BN-x30: batch 32, rate 0.045, falling six times as fast as GoogLeNet's, a fifth of
# its weight decay, 6 million steps. Momentum, and what the fifth is of, are not stated; GoogLeNet's are used.
_BN_INCEPTION = replace(
    _GOOGLENET,
    data=DataConfig(),
    optimizer=Sgd(learning_rate=0.045, weight_decay=4e-5),
    schedule=ScheduleConfig(name="exponential", factor=0.96, every_epochs=8 / 6),
    epochs=150,
)

# He et al. 2016, section 3.4: batch 256, rate 0.1, /10 when the error stalls, weight decay 1e-4, scale jitter
# [256, 480], colour noise; the epochs are those of the authors' Torch re-implementation (30, 60, 90).
_RESNET_SGD = Sgd(weight_decay=1e-4, decay_on="all")
RESNET = Recipe(
    model=ModelConfig(name="resnet50"),
    augment=AugmentConfig(crop="scale_jitter", resize=256, resize_high=480, pca_noise=0.1),
    optimizer=_RESNET_SGD,
    schedule=ScheduleConfig(name="step", boundaries=(30.0, 60.0, 90.0)),
    epochs=100,
)

# Szegedy et al. 2016, sections 7 and 8: 50 workers with batches of 32, 100 epochs, RMSProp with decay 0.9 and epsilon
# 1, rate 0.045 x 0.94 every 2 epochs, gradients clipped at 2 (here their global norm), label smoothing 0.1, moving
# average of the weights. Weight decay is the one that Chollet 2017 quotes; momentum, the average's decay and the weight
# of the auxiliary loss are those of the authors' code.
_INCEPTION_V3 = Recipe(
    model=ModelConfig(name="inception_v3"),
    augment=AugmentConfig(crop="inception"),
    optimizer=RmsProp(learning_rate=0.045, momentum=0.9, decay=0.9, epsilon=1.0, weight_decay=4e-5, clip_norm=2.0),
    schedule=ScheduleConfig(name="exponential", factor=0.94, every_epochs=2.0),
    epochs=100,
    batch_size=32,
    label_smoothing=0.1,
    aux_weight=0.4,
    ema_decay=0.9999,
)

# Szegedy et al. 2017, section 4: as Inception-v3, with 20 workers. Weight decay, length, clipping and label smoothing
# are not stated; Inception-v3's are used. The auxiliary classifier of the authors' code is not in the catalogue's form.
_INCEPTION_V4 = _INCEPTION_V3

# Chollet 2017, sections 4.2 to 4.4: momentum 0.9, weight decay 1e-5, Inception-v3's rate and its fall, moving average
# of the weights, no auxiliary classifier. The batch (60 GPUs in step), length and label smoothing are not stated; the
# batch and length of Inception-v3 are used, and no smoothing.
_XCEPTION = replace(_INCEPTION_V3, optimizer=Sgd(learning_rate=0.045, weight_decay=1e-5), label_smoothing=0.0)

# He et al. 2016 (ECCV), appendix: as ResNet, but /10 at 30 and 60 epochs. The length is not stated; 90 epochs are those
# of fb.resnet.torch.
_PRERESNET = replace(RESNET, schedule=ScheduleConfig(name="step", boundaries=(30.0, 60.0)), epochs=90)

# Gross & Wilber 2016, fb.resnet.torch: batch 256, rate 0.1, /10 every 30 of 90 epochs, weight decay on everything,
# Nesterov's momentum, inception crops, colour noise.
_TORCH_RESNET = replace(
    _PRERESNET,
    augment=AugmentConfig(crop="inception", pca_noise=0.1),
    optimizer=replace(_RESNET_SGD, nesterov=True),
)

# Zagoruyko & Komodakis 2016, section 3: on ImageNet, the code of fb.resnet.torch.
_WIDE_RESNET = _TORCH_RESNET

# Xie et al. 2017, section 4: as fb.resnet.torch, but /10 three times; 100 epochs and Nesterov's momentum are those of
# the authors' code.
_RESNEXT = replace(_TORCH_RESNET, schedule=ScheduleConfig(name="step", boundaries=(30.0, 60.0, 90.0)), epochs=100)

# Huang et al. 2017, section 4.2: batch 256, rate 0.1, /10 at 30 and 60 of 90 epochs, weight decay 1e-4, Nesterov's
# momentum, the crops of fb.resnet.torch.
_DENSENET = _TORCH_RESNET

# The same, in the paper's first versions: half the batch, to fit into memory, and 100 epochs with another /10 at 90.
_DENSENET_161 = replace(_RESNEXT, batch_size=128)

# Iandola et al. 2016, section 3.3: rate 0.04, falling linearly. The rest is from the authors' solver for Caffe: 170,000
# steps of 512 images, weight decay 2e-4 on everything. Another of their solvers has 0.08 with the square root of the
# line, and half as many steps of 1024. The crops are those of Caffe's AlexNet.
_SQUEEZENET = Recipe(
    model=ModelConfig(name="squeezenet1_0"),
    data=_CENTRED,
    augment=AugmentConfig(crop="fixed_scale", resize=256),
    optimizer=Sgd(learning_rate=0.04, weight_decay=2e-4, decay_on="all"),
    schedule=ScheduleConfig(name="polynomial", power=1.0),
    epochs=68,
    batch_size=512,
)

# Howard et al. 2017, section 3.2: RMSProp as Inception-v3, but with less regularisation: no label smoothing, small
# crops limited, depthwise filters not decayed. No number is stated. Rate, its fall, batch and weight decay are those of
# the authors' TensorFlow code; 200 epochs (which take the rate below a hundredth) and a least area of 0.2 are guesses.
_MOBILENET_V1 = replace(
    _INCEPTION_V3,
    augment=AugmentConfig(crop="inception", min_area=0.2),
    optimizer=replace(_INCEPTION_V3.optimizer, decay_on="kernels_but_depthwise", clip_norm=0.0),
    schedule=ScheduleConfig(name="exponential", factor=0.94, every_epochs=2.5),
    epochs=200,
    batch_size=64,
    label_smoothing=0.0,
)

# Hu et al. 2018, section 5: batch 1024, rate 0.6, /10 every 30 epochs, 100 epochs, inception crops.
_SENET = Recipe(
    model=ModelConfig(name="se_resnet50"),
    augment=AugmentConfig(crop="inception"),
    optimizer=Sgd(learning_rate=0.6, weight_decay=1e-4),
    schedule=ScheduleConfig(name="step", boundaries=(30.0, 60.0, 90.0)),
    epochs=100,
    batch_size=1024,
)

# Zhang et al. 2018, section 4: as ResNeXt, but batch 1024, 300,000 steps, rate from 0.5 falling linearly, weight decay
# 4e-5, and less aggressive scales, of which the least area of 0.2 is a guess. The authors' code decays kernels only and
# has ordinary momentum.
_SHUFFLENET_V1 = Recipe(
    model=ModelConfig(name="shufflenet_v1_g3"),
    augment=AugmentConfig(crop="inception", min_area=0.2),
    optimizer=Sgd(learning_rate=0.5, weight_decay=4e-5),
    schedule=ScheduleConfig(name="polynomial", power=1.0),
    epochs=240,
    batch_size=1024,
)

# Zoph et al. 2018, appendix A, and the authors' code: workers with batches of 32, RMSProp with decay 0.9 and epsilon 1,
# rate 0.04 x 0.97 every 2.4 epochs, weight decay 4e-5, label smoothing 0.1, moving average of the weights. The length
# is about 300 epochs. ScheduledDropPath and the auxiliary classifier (weighted 0.4) are off, since a recipe cannot turn
# them on.
_NASNET = replace(
    _INCEPTION_V3,
    optimizer=replace(_INCEPTION_V3.optimizer, learning_rate=0.04, clip_norm=0.0),
    schedule=ScheduleConfig(name="exponential", factor=0.97, every_epochs=2.4),
    epochs=300,
)

# Liu et al. 2018, appendix: as NASNet, with a rate of 0.015 for the large network.
_PNASNET = replace(_NASNET, optimizer=replace(_NASNET.optimizer, learning_rate=0.015))

# Sandler et al. 2018, section 6.1: 16 workers with batches of 96, RMSProp with decay and momentum 0.9, rate 0.045
# x 0.98 every epoch, weight decay 4e-5. Epsilon, label smoothing, moving average and the length (5.5 million steps) are
# those of the authors' code, which also spares depthwise filters from decay.
_MOBILENET_V2 = replace(
    _MOBILENET_V1,
    augment=AugmentConfig(crop="inception"),
    schedule=ScheduleConfig(name="exponential", factor=0.98, every_epochs=1.0),
    epochs=412,
    batch_size=96,
    label_smoothing=0.1,
)

# Ma et al. 2018, section 4: as ShuffleNet v1; label smoothing is in the authors' code.
_SHUFFLENET_V2 = replace(_SHUFFLENET_V1, label_smoothing=0.1)

# Tan et al. 2019 (CVPR), section 5: batch 4096, RMSProp with decay and momentum 0.9, 5 epochs of growth to a rate of
# 0.256, then x 0.97 every 2.4 epochs, weight decay 1e-5. Epsilon, 350 epochs, label smoothing and moving average are
# those of the authors' code.
_MNASNET = Recipe(
    model=ModelConfig(name="mnasnet1_0"),
    augment=AugmentConfig(crop="inception"),
    optimizer=RmsProp(learning_rate=0.256, momentum=0.9, decay=0.9, epsilon=1e-3, weight_decay=1e-5),
    schedule=ScheduleConfig(name="exponential", warmup_epochs=5.0, factor=0.97, every_epochs=2.4),
    epochs=350,
    batch_size=4096,
    label_smoothing=0.1,
    ema_decay=0.9999,
)

# Howard et al. 2019, section 6.1: batch 4096, RMSProp with momentum 0.9, rate 0.1, 1% less every 3 epochs, weight decay
# 1e-5, moving average of the weights. Epsilon, RMSProp's decay and label smoothing are not stated; MnasNet's are used.
# Nor is the length; 600 epochs are torchvision's.
_MOBILENET_V3 = replace(
    _MNASNET,
    optimizer=replace(_MNASNET.optimizer, learning_rate=0.1),
    schedule=ScheduleConfig(name="exponential", factor=0.99, every_epochs=3.0),
    epochs=600,
)

# Tan & Le 2019, section 5.2: as MnasNet, with AutoAugment, which is left out here. The batch is the one for which the
# authors' code arrives at the stated rate. EfficientNet-Lite's README states no training of its own.
_EFFICIENTNET = _MNASNET

# Liu et al. 2022, appendix A.1: batch 4096, AdamW, 20 epochs of growth to a rate of 0.004, then a cosine over 300
# epochs, weight decay 0.05, mixup, CutMix, label smoothing, moving average of the weights. RandAugment and random
# erasing are left out here. Epsilon is torch's.
_CONVNEXT = Recipe(
    model=ModelConfig(name="convnext_tiny"),
    augment=AugmentConfig(crop="inception", mixup=0.8, cutmix=1.0),
    optimizer=AdamW(learning_rate=4e-3, weight_decay=0.05),
    schedule=ScheduleConfig(name="cosine", warmup_epochs=20.0),
    epochs=300,
    batch_size=4096,
    label_smoothing=0.1,
    ema_decay=0.9999,
)

# By the module that builds the network, which is finer than the family: MobileNet v1, v2 and v3 are one family.
BY_MODULE = {
    "alexnet": _ALEXNET,
    "zfnet": _ZFNET,
    "vgg": _VGG,
    "googlenet": _GOOGLENET,
    "bn_inception": _BN_INCEPTION,
    "resnet": RESNET,
    "inception_v3": _INCEPTION_V3,
    "inception_v4": _INCEPTION_V4,
    "inception_resnet": _INCEPTION_V4,
    "xception": _XCEPTION,
    "preresnet": _PRERESNET,
    "wide_resnet": _WIDE_RESNET,
    "resnext": _RESNEXT,
    "densenet": _DENSENET,
    "squeezenet": _SQUEEZENET,
    "mobilenet_v1": _MOBILENET_V1,
    "senet": _SENET,
    "shufflenet_v1": _SHUFFLENET_V1,
    "nasnet": _NASNET,
    "pnasnet": _PNASNET,
    "mobilenet_v2": _MOBILENET_V2,
    "shufflenet_v2": _SHUFFLENET_V2,
    "mnasnet": _MNASNET,
    "mobilenet_v3": _MOBILENET_V3,
    "efficientnet": _EFFICIENTNET,
    "efficientnet_lite": _EFFICIENTNET,
    "convnext": _CONVNEXT,
}
BY_NAME = {
    **dict.fromkeys(("vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn"), _VGG_BN),
    "googlenet_bn": _GOOGLENET_BN,
    "densenet161": _DENSENET_161,
}
